// Reads status.json every second and shows it. All text is set as text, never as HTML.
"use strict";
const EVERY_MS = 1000, HISTORY = 120, MOST_ROWS = 200;
const past = new Map(); // stream name -> its last severities
const rows = new Map(); // stream name -> its table row
const byId = (id) => document.getElementById(id);

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function svg(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const count = (value) => value.toLocaleString("en");
const figure = (value) => (value === null ? "–" : value >= 1000 ? count(Math.round(value)) : value.toPrecision(3));

function duration(seconds) {
  if (seconds === null) return "–";
  if (seconds < 10) return seconds.toFixed(1) + " s";
  if (seconds < 120) return Math.round(seconds) + " s";
  if (seconds < 7200) return Math.round(seconds / 60) + " min";
  if (seconds < 172800) return Math.round(seconds / 3600) + " h";
  return Math.round(seconds / 86400) + " days";
}

function bytes(value) {
  return value < 1048576 ? Math.round(value / 1024) + " kB" : (value / 1048576).toFixed(1) + " MB";
}

function showHead(status) {
  put(byId("gateway"), status.gateway);
  document.title = (status.state === "online" ? "" : status.state + " · ") + status.gateway + " · vedette";
  const state = byId("state");
  put(state, status.state === "offline" ? "broker not connected" : status.state);
  state.className = "pill " + ({ online: "good", degraded: "bad" }[status.state] || "warn");
  put(byId("meta"), "up " + duration(status.uptime_s) + " · vedette " + status.version +
    (status.clock_synced === false ? " · clock not synchronised" : ""));
  byId("faults").hidden = status.reasons.length === 0;
  byId("fault-list").replaceChildren(...status.reasons.map((reason) => make("li", "", reason)));
  put(byId("age"), "As of " + status.time.slice(11, 19) + " UTC.");
}

function showCards(status) {
  const open = status.streams.filter((stream) => stream.alert).length;
  const faults = status.streams.reduce((sum, stream) => sum + stream.faults.length, 0);
  const { outbox, connection, counters, scoring } = status;
  const cards = [
    ["Open alerts", count(open), count(faults) + " open faults · " + count(counters.alerts_raised) + " events since the start"],
    ["Broker", connection.online ? "connected" : "not connected",
      connection.broker + (connection.mqtt_version ? " · MQTT " + connection.mqtt_version : "")],
    ["Outbox", count(outbox.pending) + " pending",
      bytes(outbox.bytes) + " of " + bytes(outbox.max_bytes) + " · " + count(outbox.dropped) + " dropped"],
    ["Samples", count(counters.samples), count(counters.rejected) + " rejected · " + count(counters.input_overflow) + " lost"],
    ["Scoring", scoring.us_per_sample === null ? "–" : figure(scoring.us_per_sample) + " µs",
      "per sample · " + count(scoring.waiting) + " waiting"],
    ["Memory", bytes(status.rss_bytes), "resident"],
  ];
  const list = byId("cards");
  cards.forEach(([title, value, small], number) => {
    let card = list.children[number];
    if (!card) {
      card = make("div");
      const shown = make("dd");
      shown.append(make("span"), make("small"));
      card.append(make("dt", "", title), shown);
      list.append(card);
    }
    put(card.querySelector("span"), value);
    put(card.querySelector("small"), small);
  });
}

function newRow(name) {
  const row = make("tr"), head = make("th"), chart = svg("svg", { class: "chart", viewBox: "0 0 119 40", preserveAspectRatio: "none", role: "img" });
  head.scope = "row";
  head.append(make("span", "", name), make("small"));
  chart.append(svg("line", { class: "limit", x1: 0, x2: 119 }), svg("polyline", { class: "trace" }));
  const state = make("td"), wide = make("td", "wide");
  state.append(make("span", "pill"));
  wide.append(chart);
  row.append(head, state, wide);
  for (const label of ["Score", "Threshold", "Severity", "Last sample"]) {
    const cell = make("td", "num");
    cell.dataset.label = label;
    row.append(cell);
  }
  rows.set(name, row);
  return row;
}

function draw(row, name) {
  const values = past.get(name) || [];
  const top = Math.max(1.5, ...values) * 1.05, chart = row.querySelector("svg");
  const height = (value) => (40 - (38 * value) / top - 1).toFixed(2);
  const from = HISTORY - values.length;
  chart.querySelector("polyline").setAttribute("points", values.map((value, at) => from + at + "," + height(value)).join(" "));
  const limit = chart.querySelector("line");
  limit.setAttribute("y1", height(1));
  limit.setAttribute("y2", height(1));
  const last = values.length ? values[values.length - 1] : null;
  chart.setAttribute("aria-label", last === null ? "no score yet" : "severity now " + figure(last) + ", highest shown " + figure(Math.max(...values)));
}

function remember(streams) {
  const names = new Set();
  for (const stream of streams) {
    names.add(stream.name);
    if (stream.severity === null) continue;
    const values = past.get(stream.name) || [];
    values.push(stream.severity);
    if (values.length > HISTORY) values.shift();
    past.set(stream.name, values);
  }
  for (const name of past.keys()) if (!names.has(name)) past.delete(name);
}

function stateOf(stream) {
  if (stream.alert) return ["alert", "bad"];
  if (stream.faults.length) return ["fault: " + stream.faults.join(", "), "bad"];
  if (stream.maintenance) return ["maintenance", "warn"];
  if (stream.severity === null) return ["filling", "warn"];
  return stream.severity > 1 ? ["above", "warn"] : ["normal", "good"];
}

function showStreams(streams) {
  const wanted = byId("filter").value.trim().toLowerCase();
  const found = streams.filter((stream) => (stream.name + " " + stream.model).toLowerCase().includes(wanted));
  // Open alerts first, then faults. The order changes with them only, so that rows do not dance; beyond the cap, by severity.
  if (found.length > MOST_ROWS) found.sort((a, b) => (b.severity || 0) - (a.severity || 0));
  const shown = found.slice(0, MOST_ROWS);
  const rank = (stream) => (stream.alert ? 2 : stream.faults.length ? 1 : 0);
  shown.sort((a, b) => rank(b) - rank(a) || (a.name < b.name ? -1 : 1));
  const body = document.querySelector("#streams tbody"), names = new Set();
  shown.forEach((stream, place) => {
    names.add(stream.name);
    const row = rows.get(stream.name) || newRow(stream.name);
    const [label, style] = stateOf(stream), pill = row.querySelector(".pill"), cells = row.querySelectorAll("td.num");
    put(row.querySelector("small"), stream.model);
    put(pill, label);
    pill.className = "pill " + style;
    [figure(stream.score), figure(stream.threshold), figure(stream.severity), duration(stream.last_sample_age_s)]
      .forEach((text, number) => put(cells[number], text));
    draw(row, stream.name);
    if (body.children[place] !== row) body.insertBefore(row, body.children[place] || null);
  });
  for (const [name, row] of rows) {
    if (!names.has(name)) {
      row.remove();
      rows.delete(name);
    }
  }
  put(byId("shown"), found.length > MOST_ROWS ? "the " + MOST_ROWS + " most severe of " + count(found.length)
    : count(found.length) + (wanted ? " of " + count(streams.length) : ""));
  byId("no-streams").hidden = streams.length > 0;
}

function showAlerts(recent) {
  byId("no-alerts").hidden = recent.length > 0;
  const items = recent.map((step) => {
    const item = make("li"), when = make("time", "", step.time.slice(0, 19).replace("T", " "));
    when.dateTime = step.time;
    const shares = step.channels.slice(0, 3).map((channel) => channel.name + " " + Math.round(100 * channel.share) + "%");
    item.append(make("span", "pill " + { new: "bad", update: "warn", end: "good" }[step.phase], step.phase),
      make("strong", "", step.stream), when,
      make("span", "quiet", "severity " + figure(step.severity) + " · " + shares.join(" · ") + (step.reason ? " · " + step.reason : "")));
    return item;
  });
  const list = byId("alerts");
  if (list.dataset.newest !== JSON.stringify(recent)) {
    list.dataset.newest = JSON.stringify(recent);
    list.replaceChildren(...items);
  }
}

let latest = null;

async function refresh() {
  try {
    const answer = await fetch("status.json", { cache: "no-store" });
    if (!answer.ok) throw new Error("HTTP " + answer.status);
    latest = await answer.json();
    remember(latest.streams);
    showHead(latest);
    showCards(latest);
    showStreams(latest.streams);
    showAlerts(latest.recent);
  } catch (error) {
    const state = byId("state");
    put(state, "gateway does not answer");
    state.className = "pill bad";
  }
  setTimeout(refresh, EVERY_MS);
}

byId("filter").addEventListener("input", () => latest && showStreams(latest.streams));
refresh();

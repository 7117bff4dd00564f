/* SPDX-License-Identifier: Apache-2.0
 *
 * The device's half of the link on this machine, between pipes. `echo`: each good frame that comes goes back, decoded
 * and encoded again, and at the end the number of damaged ones to stderr. `messages`: one frame of each kind. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "vedette_link.h"

static uint8_t out[VEDETTE_LINK_SEND_BYTES(VEDETTE_LINK_MAX_PAYLOAD)];
static uint8_t in[VEDETTE_LINK_RECEIVE_BYTES(VEDETTE_LINK_MAX_PAYLOAD)];
static uint8_t waiting[1024];

static int echo(void)
{
    static uint8_t chunk[256];
    vedette_link_sender_t sender;
    vedette_link_decoder_t decoder;
    vedette_link_ring_t ring;
    size_t count, at;
    int byte;
    vedette_link_sender_init(&sender, out, sizeof out);
    vedette_link_decoder_init(&decoder, in, sizeof in);
    if (!vedette_link_ring_init(&ring, waiting, sizeof waiting)) {
        return 1;
    }
    while ((count = fread(chunk, 1, sizeof chunk, stdin)) > 0) {
        for (at = 0; at < count; at++) {
            if (!vedette_link_ring_put(&ring, chunk[at])) {
                return 1;
            }
        }
        while ((byte = vedette_link_ring_get(&ring)) >= 0) {
            if (vedette_link_feed(&decoder, (uint8_t)byte) && decoder.version == VEDETTE_LINK_VERSION) {
                sender.sequence = decoder.sequence;
                fwrite(out, 1, vedette_link_frame(&sender, decoder.type, decoder.payload, decoder.length), stdout);
            }
        }
    }
    fprintf(stderr, "%lu\n", (unsigned long)decoder.damaged);
    return 0;
}

static void send(size_t count)
{
    fwrite(out, 1, count, stdout);
}

static int all_messages(void)
{
    static const char *const names[3] = {"vib_x", "vib_y", "temp"};
    static const char *const units[3] = {"mm/s", "mm/s", ""};
    const vedette_link_hello_t hello = {0xDEADBEEFu, 10000u, 7u, 1u, 3u, "pump-7", "fw 1.4", "pump", "2.0"};
    const float rows[6] = {0.0f, 1.5f, -2.25f, NAN, 0.0f, 3e38f};
    vedette_link_sender_t sender;
    vedette_link_alert_t alert, slots[2];
    vedette_link_outbox_t outbox;
    const vedette_link_alert_t *due;
    uint8_t first = 0;
    vedette_link_sender_init(&sender, out, sizeof out);
    send(vedette_link_hello(&sender, &hello));
    while (first < hello.channels) {
        send(vedette_link_channels(&sender, names, units, hello.channels, &first));
    }
    send(vedette_link_samples(&sender, 0xFFFFFFFFu, rows, 2, 3));
    send(vedette_link_score(&sender, 5u, 0.1, 2.5));
    memset(&alert, 0, sizeof alert);
    alert.incident = 3;
    alert.step = 1;
    alert.phase = VEDETTE_LINK_NEW;
    alert.shares_count = 1;
    alert.time_ms = 90;
    alert.start_ms = 60;
    alert.score = 5.0;
    alert.threshold = 2.5;
    alert.peak = 5.5;
    alert.shares[0].channel = 2;
    alert.shares[0].share = 0.75f;
    alert.shares[0].observed = 9.5f;
    alert.shares[0].expected = 1.0f;
    vedette_link_outbox_init(&outbox, slots, 2);
    vedette_link_outbox_add(&outbox, &alert);
    alert.step = 2;
    alert.phase = VEDETTE_LINK_END;
    alert.end_ms = 80;
    alert.shares_count = 0;
    vedette_link_outbox_add(&outbox, &alert);
    /* The first step is due at once, not again before its time, then again; acknowledged, the second follows. */
    due = vedette_link_outbox_due(&outbox, 1000, 500);
    send(vedette_link_alert(&sender, due));
    if (vedette_link_outbox_due(&outbox, 1499, 500) != NULL) {
        return 1;
    }
    due = vedette_link_outbox_due(&outbox, 1500, 500);
    send(vedette_link_alert(&sender, due));
    vedette_link_outbox_ack(&outbox, 3, 9); /* of another step */
    vedette_link_outbox_ack(&outbox, 3, 1);
    due = vedette_link_outbox_due(&outbox, 1501, 500);
    send(vedette_link_alert(&sender, due));
    vedette_link_outbox_ack(&outbox, 3, 2);
    if (vedette_link_outbox_due(&outbox, 9000, 500) != NULL) {
        return 1;
    }
    send(vedette_link_log(&sender, 8u, 30u, "low battery"));
    send(vedette_link_time_reply(&sender, 77u, 1234u));
    send(vedette_link_refuse_version(&sender, 255u));
    return 0;
}

int main(int argc, char **argv)
{
    return argc > 1 && strcmp(argv[1], "echo") == 0 ? echo() : all_messages();
}

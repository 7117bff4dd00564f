/* SPDX-License-Identifier: Apache-2.0 */
#include "vedette_link.h"

#include <string.h>

#define HEADER 6u
#define CRC_BYTES 4u

/* ---- CRC-32 (IEEE 802.3, reflected, polynomial 0xEDB88320), four bits at a time: 64 bytes of table ---------------- */

static const uint32_t crc_nibble[16] = {
    0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u, 0x4DB26158u, 0x5005713Cu,
    0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu, 0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu};

static uint32_t crc32_of(const uint8_t *bytes, size_t count)
{
    uint32_t crc = 0xFFFFFFFFu;
    size_t i;
    for (i = 0; i < count; i++) {
        crc ^= bytes[i];
        crc = (crc >> 4) ^ crc_nibble[crc & 15u];
        crc = (crc >> 4) ^ crc_nibble[crc & 15u];
    }
    return ~crc;
}

static void store16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value & 0xFFu);
    at[1] = (uint8_t)(value >> 8);
}

static void store32(uint8_t *at, uint32_t value)
{
    store16(at, (uint16_t)(value & 0xFFFFu));
    store16(at + 2, (uint16_t)(value >> 16));
}

static uint16_t load16(const uint8_t *at)
{
    return (uint16_t)(at[0] | ((uint16_t)at[1] << 8));
}

static uint32_t load32(const uint8_t *at)
{
    return (uint32_t)load16(at) | ((uint32_t)load16(at + 2) << 16);
}

/* ---- Sending ----------------------------------------------------------------------------------------------------
 * The frame is built at the end of the buffer's room for COBS, `lead` bytes in; COBS then moves it to the front, where
 * writing never overtakes reading: it adds a byte at the start and one per 254, which is what `lead` keeps free. */

static uint8_t *grow(vedette_link_sender_t *sender, size_t count)
{
    const size_t lead = sender->lead;
    uint8_t *at;
    /* One byte stays free for the zero at the end. */
    if (sender->failed || sender->room < lead + 1u || count > sender->room - lead - 1u - sender->used) {
        sender->failed = 1;
        return NULL;
    }
    at = sender->buffer + lead + sender->used;
    sender->used += count;
    return at;
}

static void begin(vedette_link_sender_t *sender, uint8_t type)
{
    uint8_t *at;
    sender->used = 0;
    sender->failed = 0;
    at = grow(sender, HEADER);
    if (at != NULL) {
        at[0] = VEDETTE_LINK_VERSION;
        at[1] = type;
        store16(at + 2, sender->sequence);
    }
}

static void put_bytes(vedette_link_sender_t *sender, const void *bytes, size_t count)
{
    uint8_t *at = grow(sender, count);
    if (at != NULL && count != 0u) {
        memcpy(at, bytes, count);
    }
}

static void put8(vedette_link_sender_t *sender, uint8_t value)
{
    put_bytes(sender, &value, 1);
}

static void put16(vedette_link_sender_t *sender, uint16_t value)
{
    uint8_t *at = grow(sender, 2);
    if (at != NULL) {
        store16(at, value);
    }
}

static void put32(vedette_link_sender_t *sender, uint32_t value)
{
    uint8_t *at = grow(sender, 4);
    if (at != NULL) {
        store32(at, value);
    }
}

static void put_float(vedette_link_sender_t *sender, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put32(sender, bits);
}

static void put_double(vedette_link_sender_t *sender, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put32(sender, (uint32_t)(bits & 0xFFFFFFFFu));
    put32(sender, (uint32_t)(bits >> 32));
}

static void put_text(vedette_link_sender_t *sender, const char *text)
{
    const size_t length = strlen(text);
    if (length > VEDETTE_LINK_MAX_TEXT) {
        sender->failed = 1;
        return;
    }
    put8(sender, (uint8_t)length);
    put_bytes(sender, text, length);
}

/* Length and CRC, then COBS from the front, and the zero that ends the frame. */
static size_t finish(vedette_link_sender_t *sender)
{
    uint8_t *const out = sender->buffer;
    const uint8_t *in;
    size_t length, i, code_at = 0, at = 1;
    uint8_t code = 1;

    if (sender->failed || sender->used - HEADER > VEDETTE_LINK_MAX_PAYLOAD) {
        return 0;
    }
    in = out + sender->lead;
    store16(out + sender->lead + 4, (uint16_t)(sender->used - HEADER));
    put32(sender, crc32_of(in, sender->used));
    if (sender->failed) {
        return 0;
    }
    length = sender->used;
    for (i = 0; i < length; i++) {
        const uint8_t byte = in[i];
        if (byte != 0u) {
            out[at++] = byte;
            code++;
        }
        if (byte == 0u || (code == 255u && i + 1u < length)) {
            out[code_at] = code;
            code_at = at++;
            code = 1;
        }
    }
    out[code_at] = code;
    out[at++] = 0;
    sender->sequence = (uint16_t)(sender->sequence + 1u);
    return at;
}

void vedette_link_sender_init(vedette_link_sender_t *sender, uint8_t *buffer, size_t room)
{
    size_t left;
    memset(sender, 0, sizeof *sender);
    sender->buffer = buffer;
    sender->room = room;
    /* Nowhere here is a division: a Cortex-M0 has none. */
    sender->lead = 1;
    for (left = room; left >= 254u; left -= 254u) {
        sender->lead++;
    }
}

size_t vedette_link_frame(vedette_link_sender_t *sender, uint8_t type, const uint8_t *payload, size_t length)
{
    begin(sender, type);
    put_bytes(sender, payload, length);
    return finish(sender);
}

size_t vedette_link_hello(vedette_link_sender_t *sender, const vedette_link_hello_t *hello)
{
    begin(sender, VEDETTE_LINK_HELLO);
    put32(sender, hello->session);
    put32(sender, hello->period_us);
    put32(sender, hello->model_sequence);
    put8(sender, hello->scores ? 1u : 0u);
    put8(sender, hello->channels);
    put_text(sender, hello->device);
    put_text(sender, hello->firmware);
    put_text(sender, hello->model);
    put_text(sender, hello->model_version);
    return finish(sender);
}

size_t vedette_link_channels(vedette_link_sender_t *sender, const char *const *names, const char *const *units,
                             uint8_t channels, uint8_t *first)
{
    uint8_t next = *first;
    size_t used, count_at;
    begin(sender, VEDETTE_LINK_CHANNELS);
    put8(sender, next);
    count_at = sender->used;
    put8(sender, 0);
    while (next < channels) {
        used = sender->used;
        put_text(sender, names[next]);
        put_text(sender, units[next]);
        /* Room for the CRC too. */
        if (sender->failed || sender->used - HEADER > VEDETTE_LINK_MAX_PAYLOAD ||
            sender->used + CRC_BYTES + 1u + sender->lead > sender->room) {
            sender->used = used;
            sender->failed = 0;
            break;
        }
        next++;
    }
    if (next == *first) {
        return 0;
    }
    sender->buffer[sender->lead + count_at] = (uint8_t)(next - *first);
    *first = next;
    return finish(sender);
}

size_t vedette_link_samples(vedette_link_sender_t *sender, uint32_t time_ms, const float *values, uint8_t rows,
                            uint8_t channels)
{
    const size_t count = (size_t)rows * channels;
    size_t i;
    begin(sender, VEDETTE_LINK_SAMPLES);
    put32(sender, time_ms);
    put8(sender, rows);
    put8(sender, channels);
    for (i = 0; i < count && !sender->failed; i++) {
        put_float(sender, values[i]);
    }
    return finish(sender);
}

size_t vedette_link_score(vedette_link_sender_t *sender, uint32_t time_ms, double score, double threshold)
{
    begin(sender, VEDETTE_LINK_SCORE);
    put32(sender, time_ms);
    put_double(sender, score);
    put_double(sender, threshold);
    return finish(sender);
}

size_t vedette_link_alert(vedette_link_sender_t *sender, const vedette_link_alert_t *alert)
{
    size_t i;
    if (alert->shares_count > VEDETTE_LINK_MAX_SHARES) {
        return 0;
    }
    begin(sender, VEDETTE_LINK_ALERT);
    put32(sender, alert->incident);
    put16(sender, alert->step);
    put8(sender, alert->phase);
    put8(sender, alert->shares_count);
    put32(sender, alert->time_ms);
    put32(sender, alert->start_ms);
    put32(sender, alert->end_ms);
    put_double(sender, alert->score);
    put_double(sender, alert->threshold);
    put_double(sender, alert->peak);
    for (i = 0; i < alert->shares_count; i++) {
        put8(sender, alert->shares[i].channel);
        put_float(sender, alert->shares[i].share);
        put_float(sender, alert->shares[i].observed);
        put_float(sender, alert->shares[i].expected);
    }
    return finish(sender);
}

size_t vedette_link_log(vedette_link_sender_t *sender, uint32_t time_ms, uint8_t level, const char *text)
{
    const size_t length = strlen(text);
    begin(sender, VEDETTE_LINK_LOG);
    put32(sender, time_ms);
    put8(sender, level);
    put_bytes(sender, text, length < VEDETTE_LINK_MAX_LOG ? length : VEDETTE_LINK_MAX_LOG);
    return finish(sender);
}

size_t vedette_link_time_reply(vedette_link_sender_t *sender, uint32_t token, uint32_t time_ms)
{
    begin(sender, VEDETTE_LINK_TIME_REPLY);
    put32(sender, token);
    put32(sender, time_ms);
    return finish(sender);
}

static void put_decimal(vedette_link_sender_t *sender, uint8_t number)
{
    static const uint8_t places[3] = {100, 10, 1};
    uint8_t i, digit, begun = 0;
    for (i = 0; i < 3u; i++) {
        for (digit = 0; number >= places[i]; digit++) {
            number = (uint8_t)(number - places[i]);
        }
        begun = (uint8_t)(begun | digit);
        if (begun || i == 2u) {
            put8(sender, (uint8_t)('0' + digit));
        }
    }
}

size_t vedette_link_refuse_version(vedette_link_sender_t *sender, uint8_t found)
{
    static const char before[] = "the gateway speaks version ", between[] = " of the link, this firmware version ";
    begin(sender, VEDETTE_LINK_ERROR);
    put8(sender, 1);
    put_bytes(sender, before, sizeof before - 1u);
    put_decimal(sender, found);
    put_bytes(sender, between, sizeof between - 1u);
    put_decimal(sender, VEDETTE_LINK_VERSION);
    return finish(sender);
}

/* ---- Receiving -------------------------------------------------------------------------------------------------- */

static void restart(vedette_link_decoder_t *decoder)
{
    decoder->used = 0;
    decoder->code = 0;
    decoder->zero = 0;
    decoder->bad = 0;
}

void vedette_link_decoder_init(vedette_link_decoder_t *decoder, uint8_t *buffer, size_t room)
{
    memset(decoder, 0, sizeof *decoder);
    decoder->buffer = buffer;
    decoder->room = room;
}

static void keep(vedette_link_decoder_t *decoder, uint8_t byte)
{
    if (decoder->used < decoder->room) {
        decoder->buffer[decoder->used++] = byte;
    } else {
        decoder->bad = 1;
    }
}

/* Whether what came between two zero bytes is a frame; sets its fields. */
static int check(vedette_link_decoder_t *decoder)
{
    const uint8_t *const frame = decoder->buffer;
    const size_t used = decoder->used;
    if (decoder->bad || decoder->code != 0u || used < HEADER + CRC_BYTES) {
        return 0;
    }
    if (crc32_of(frame, used - CRC_BYTES) != load32(frame + used - CRC_BYTES)) {
        return 0;
    }
    decoder->version = frame[0];
    decoder->type = frame[1];
    decoder->sequence = load16(frame + 2);
    decoder->payload = frame + HEADER;
    decoder->length = 0;
    if (decoder->version != VEDETTE_LINK_VERSION) {
        return 1;
    }
    decoder->length = used - HEADER - CRC_BYTES;
    return load16(frame + 4) == decoder->length && decoder->length <= VEDETTE_LINK_MAX_PAYLOAD;
}

int vedette_link_feed(vedette_link_decoder_t *decoder, uint8_t byte)
{
    int good;
    if (byte == 0u) {
        const int empty = decoder->used == 0u && decoder->code == 0u && !decoder->zero && !decoder->bad;
        good = check(decoder);
        if (!good && !empty) {
            decoder->damaged++;
        }
        restart(decoder);
        return good;
    }
    if (decoder->code == 0u) { /* the byte begins a block */
        if (decoder->zero) {
            keep(decoder, 0);
        }
        decoder->code = (uint8_t)(byte - 1u);
        decoder->zero = byte < 255u;
    } else {
        keep(decoder, byte);
        decoder->code--;
    }
    return 0;
}

int vedette_link_read_time_request(const vedette_link_decoder_t *decoder, uint32_t *token)
{
    if (decoder->type != VEDETTE_LINK_TIME_REQUEST || decoder->length != 4u) {
        return 0;
    }
    *token = load32(decoder->payload);
    return 1;
}

int vedette_link_read_ack(const vedette_link_decoder_t *decoder, uint32_t *incident, uint16_t *step)
{
    if (decoder->type != VEDETTE_LINK_ACK || decoder->length != 6u) {
        return 0;
    }
    *incident = load32(decoder->payload);
    *step = load16(decoder->payload + 4);
    return 1;
}

/* ---- Alerts that wait for their acknowledgement ------------------------------------------------------------------ */

void vedette_link_outbox_init(vedette_link_outbox_t *outbox, vedette_link_alert_t *slots, size_t room)
{
    memset(outbox, 0, sizeof *outbox);
    outbox->slots = slots;
    outbox->room = room;
}

static void drop_first(vedette_link_outbox_t *outbox)
{
    outbox->first = outbox->first + 1u == outbox->room ? 0u : outbox->first + 1u;
    outbox->count--;
    outbox->sent = 0;
}

void vedette_link_outbox_add(vedette_link_outbox_t *outbox, const vedette_link_alert_t *alert)
{
    size_t free_slot;
    if (outbox->room == 0u) {
        outbox->dropped++;
        return;
    }
    if (outbox->count == outbox->room) {
        drop_first(outbox);
        outbox->dropped++;
    }
    free_slot = outbox->first + outbox->count;
    outbox->slots[free_slot < outbox->room ? free_slot : free_slot - outbox->room] = *alert;
    outbox->count++;
}

const vedette_link_alert_t *vedette_link_outbox_due(vedette_link_outbox_t *outbox, uint32_t now_ms, uint32_t again_ms)
{
    if (outbox->count == 0u || (outbox->sent && now_ms - outbox->sent_ms < again_ms)) {
        return NULL;
    }
    outbox->sent = 1;
    outbox->sent_ms = now_ms;
    return &outbox->slots[outbox->first];
}

void vedette_link_outbox_ack(vedette_link_outbox_t *outbox, uint32_t incident, uint16_t step)
{
    const vedette_link_alert_t *first;
    if (outbox->count == 0u) {
        return;
    }
    first = &outbox->slots[outbox->first];
    if (first->incident == incident && first->step == step) {
        drop_first(outbox);
    }
}

/* ---- Ring buffer ------------------------------------------------------------------------------------------------
 * Each index has one writer, and a byte is written before the index that shows it. On one core, volatile keeps the
 * compiler to that order; the acquire and release of GCC and Clang keep it between cores too. */

#if defined(__GNUC__) || defined(__clang__)
#define LOAD(where) __atomic_load_n(&(where), __ATOMIC_ACQUIRE)
#define STORE(where, value) __atomic_store_n(&(where), (value), __ATOMIC_RELEASE)
#else
#define LOAD(where) (where)
#define STORE(where, value) ((where) = (value))
#endif

int vedette_link_ring_init(vedette_link_ring_t *ring, uint8_t *bytes, uint32_t size)
{
    if (size == 0u || (size & (size - 1u)) != 0u) {
        return 0;
    }
    ring->bytes = bytes;
    ring->mask = size - 1u;
    ring->head = 0;
    ring->tail = 0;
    return 1;
}

int vedette_link_ring_put(vedette_link_ring_t *ring, uint8_t byte)
{
    const uint32_t head = ring->head;
    if (head - LOAD(ring->tail) > ring->mask) {
        return 0;
    }
    ring->bytes[head & ring->mask] = byte;
    STORE(ring->head, head + 1u);
    return 1;
}

int vedette_link_ring_get(vedette_link_ring_t *ring)
{
    const uint32_t tail = ring->tail;
    uint8_t byte;
    if (tail == LOAD(ring->head)) {
        return -1;
    }
    byte = ring->bytes[tail & ring->mask];
    STORE(ring->tail, tail + 1u);
    return byte;
}

uint32_t vedette_link_ring_count(const vedette_link_ring_t *ring)
{
    return LOAD(ring->head) - LOAD(ring->tail);
}

uint32_t vedette_link_ring_free(const vedette_link_ring_t *ring)
{
    return ring->mask + 1u - vedette_link_ring_count(ring);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * The device's half of vedette's serial link: frames, messages, and a ring buffer for the interrupt.
 *
 * C99, no allocation, no stdio, no globals. Put vedette_link.c and vedette_link.h into the firmware. The frame format
 * is in docs/link.md.
 *
 * Sending: each vedette_link_... function that takes a `sender` writes one whole frame, with its ending zero byte, into
 * the sender's buffer and returns how many bytes of it are to go over the wire; 0 where it does not fit.
 * Receiving: the interrupt puts bytes into a ring, the main loop takes them out and gives them to the decoder.
 */
#ifndef VEDETTE_LINK_H
#define VEDETTE_LINK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VEDETTE_LINK_VERSION 1
#define VEDETTE_LINK_MAX_PAYLOAD 512
#define VEDETTE_LINK_MAX_CHANNELS 126
#define VEDETTE_LINK_MAX_SHARES 16
#define VEDETTE_LINK_MAX_TEXT 64
#define VEDETTE_LINK_MAX_LOG 256

/* The bytes of a frame around its payload: header 6, CRC 4. */
#define VEDETTE_LINK_AROUND 10
/* A sender's buffer for payloads of up to N bytes: what COBS adds, and the zero byte, included. */
#define VEDETTE_LINK_SEND_BYTES(n) ((n) + VEDETTE_LINK_AROUND + 3 + ((n) + VEDETTE_LINK_AROUND) / 254)
/* A decoder's buffer for payloads of up to N bytes. The gateway sends at most VEDETTE_LINK_RECEIVED bytes. */
#define VEDETTE_LINK_RECEIVE_BYTES(n) ((n) + VEDETTE_LINK_AROUND)
#define VEDETTE_LINK_RECEIVED 257

enum {
    VEDETTE_LINK_HELLO_REQUEST = 0x01,
    VEDETTE_LINK_HELLO = 0x02,
    VEDETTE_LINK_CHANNELS = 0x03,
    VEDETTE_LINK_SAMPLES = 0x04,
    VEDETTE_LINK_SCORE = 0x05,
    VEDETTE_LINK_ALERT = 0x06,
    VEDETTE_LINK_LOG = 0x07,
    VEDETTE_LINK_TIME_REQUEST = 0x08,
    VEDETTE_LINK_TIME_REPLY = 0x09,
    VEDETTE_LINK_ACK = 0x0A,
    VEDETTE_LINK_ERROR = 0x0B
};

/* ---- Sending ---------------------------------------------------------------------------------------------------- */

typedef struct {
    uint8_t *buffer; /* the caller's; holds one encoded frame at a time */
    size_t room;
    size_t lead; /* bytes at its front that COBS needs */
    size_t used; /* of the frame under way, before COBS */
    uint16_t sequence;
    uint8_t failed;
} vedette_link_sender_t;

void vedette_link_sender_init(vedette_link_sender_t *sender, uint8_t *buffer, size_t room);

/* One frame with any payload. */
size_t vedette_link_frame(vedette_link_sender_t *sender, uint8_t type, const uint8_t *payload, size_t length);

typedef struct {
    uint32_t session;        /* another one at each start: a random number, or a counter kept in flash */
    uint32_t period_us;      /* microseconds between samples; 0: irregular */
    uint32_t model_sequence; /* as in the bundle's manifest */
    uint8_t scores;          /* 1: this firmware scores by itself and sends alerts */
    uint8_t channels;        /* 1 to VEDETTE_LINK_MAX_CHANNELS */
    const char *device;      /* texts: UTF-8, at most VEDETTE_LINK_MAX_TEXT bytes */
    const char *firmware;
    const char *model; /* "" where there is none */
    const char *model_version;
} vedette_link_hello_t;

size_t vedette_link_hello(vedette_link_sender_t *sender, const vedette_link_hello_t *hello);

/* Channels from number *first on, as many as fit; moves *first. Call it, and send, until *first is `channels`. */
size_t vedette_link_channels(vedette_link_sender_t *sender, const char *const *names, const char *const *units,
                             uint8_t channels, uint8_t *first);

/* `rows` rows of `channels` readings in sensor units, one row after the other, NaN where one is missing. `time_ms` is
 * the millisecond counter at the first row. */
size_t vedette_link_samples(vedette_link_sender_t *sender, uint32_t time_ms, const float *values, uint8_t rows,
                            uint8_t channels);

size_t vedette_link_score(vedette_link_sender_t *sender, uint32_t time_ms, double score, double threshold);

enum { VEDETTE_LINK_NEW = 1, VEDETTE_LINK_UPDATE = 2, VEDETTE_LINK_END = 3 };

typedef struct {
    uint8_t channel; /* its number in the hello */
    float share, observed, expected;
} vedette_link_share_t;

typedef struct {
    uint32_t incident; /* counts up from the start */
    uint16_t step;     /* of this incident, from 1 */
    uint8_t phase;
    uint8_t shares_count;
    uint32_t time_ms, start_ms, end_ms;
    double score, threshold, peak;
    vedette_link_share_t shares[VEDETTE_LINK_MAX_SHARES];
} vedette_link_alert_t;

size_t vedette_link_alert(vedette_link_sender_t *sender, const vedette_link_alert_t *alert);

/* `level` is 10 (debug), 20 (info), 30 (warning) or 40 (error). A longer text is cut. */
size_t vedette_link_log(vedette_link_sender_t *sender, uint32_t time_ms, uint8_t level, const char *text);

/* The answer to a time request; read the counter right before. */
size_t vedette_link_time_reply(vedette_link_sender_t *sender, uint32_t token, uint32_t time_ms);

/* The answer to a frame of another version, which names both. */
size_t vedette_link_refuse_version(vedette_link_sender_t *sender, uint8_t found);

/* ---- Receiving -------------------------------------------------------------------------------------------------- */

typedef struct {
    uint8_t *buffer; /* the caller's */
    size_t room;
    size_t used;
    uint8_t code; /* COBS: bytes left of the block */
    uint8_t zero; /* COBS: whether a zero follows the block */
    uint8_t bad;
    uint32_t damaged; /* frames that could not be used, for statistics */
    /* The frame, when vedette_link_feed() returns 1; the payload stays valid until the next byte. */
    uint8_t version;
    uint8_t type;
    uint16_t sequence;
    const uint8_t *payload;
    size_t length;
} vedette_link_decoder_t;

void vedette_link_decoder_init(vedette_link_decoder_t *decoder, uint8_t *buffer, size_t room);

/* Take one byte. Returns 1 when it ends a whole, undamaged frame, else 0. Look at `version` first: of a frame of
 * another version than VEDETTE_LINK_VERSION only the type is known, and the payload is empty. */
int vedette_link_feed(vedette_link_decoder_t *decoder, uint8_t byte);

/* What the gateway's messages say; 0 where the frame is none such. */
int vedette_link_read_time_request(const vedette_link_decoder_t *decoder, uint32_t *token);
int vedette_link_read_ack(const vedette_link_decoder_t *decoder, uint32_t *incident, uint16_t *step);

/* ---- Alerts that wait for their acknowledgement ------------------------------------------------------------------ */

typedef struct {
    vedette_link_alert_t *slots; /* the caller's */
    size_t room, first, count;
    uint32_t sent_ms;
    uint8_t sent;
    uint32_t dropped; /* steps given up because no slot was free: the oldest go */
} vedette_link_outbox_t;

void vedette_link_outbox_init(vedette_link_outbox_t *outbox, vedette_link_alert_t *slots, size_t room);
void vedette_link_outbox_add(vedette_link_outbox_t *outbox, const vedette_link_alert_t *alert);
/* The step to send now, oldest first, again each `again_ms` until it is acknowledged; NULL where there is none. */
const vedette_link_alert_t *vedette_link_outbox_due(vedette_link_outbox_t *outbox, uint32_t now_ms, uint32_t again_ms);
void vedette_link_outbox_ack(vedette_link_outbox_t *outbox, uint32_t incident, uint16_t step);

/* ---- Ring buffer: one side in an interrupt, the other in the main loop -------------------------------------------- */

typedef struct {
    volatile uint8_t *bytes; /* the caller's */
    uint32_t mask;
    volatile uint32_t head; /* bytes put in, modulo 2^32; only the producer writes it */
    volatile uint32_t tail; /* bytes taken out; only the consumer writes it */
} vedette_link_ring_t;

/* `size` is a power of two. Returns 0 where it is not. */
int vedette_link_ring_init(vedette_link_ring_t *ring, uint8_t *bytes, uint32_t size);
/* Returns 0 where it is full, and the byte is lost: the CRC shows it. */
int vedette_link_ring_put(vedette_link_ring_t *ring, uint8_t byte);
/* Returns the byte, or -1 where there is none. */
int vedette_link_ring_get(vedette_link_ring_t *ring);
uint32_t vedette_link_ring_count(const vedette_link_ring_t *ring);
uint32_t vedette_link_ring_free(const vedette_link_ring_t *ring);

#ifdef __cplusplus
}
#endif

#endif

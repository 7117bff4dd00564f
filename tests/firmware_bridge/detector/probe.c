/* Samples on stdin, what the detector makes of them on stdout; before that, what its self-test says. */
#include "probe.h"

#include <stdio.h>

#pragma pack(push, 1)
typedef struct {
    int32_t flags;
    double score, severity, alert_score, peak;
    uint32_t incident, seq, start_ms, end_ms;
    int8_t expected[PROBE_CHANNELS];
} result_t;
#pragma pack(pop)

int main(void) {
    static probe_t detector;
    float values[PROBE_CHANNELS];
    uint32_t time_ms;
    const int32_t failed = probe_selftest(&detector);
    fwrite(&failed, sizeof failed, 1, stdout);
    while (fread(&time_ms, sizeof time_ms, 1, stdin) == 1 && fread(values, sizeof values, 1, stdin) == 1) {
        result_t result;
        probe_share_t shares[PROBE_TOP_CHANNELS];
        result.flags = probe_push(&detector, values, time_ms);
        result.score = detector.score;
        result.severity = probe_severity(&detector);
        result.alert_score = detector.alert.score;
        result.peak = detector.alert.peak;
        result.incident = detector.alert.incident;
        result.seq = detector.alert.seq;
        result.start_ms = detector.alert.start_ms;
        result.end_ms = detector.alert.end_ms;
        for (int i = 0; i < PROBE_CHANNELS; i++) {
            result.expected[i] = detector.expected[i];
        }
        fwrite(&result, sizeof result, 1, stdout);
        probe_shares(&detector, shares);
        for (int i = 0; i < PROBE_TOP_CHANNELS; i++) {
            const uint32_t channel = shares[i].channel;
            fwrite(&channel, sizeof channel, 1, stdout);
            fwrite(&shares[i].share, sizeof shares[i].share, 1, stdout);
            fwrite(&shares[i].observed, sizeof shares[i].observed, 1, stdout);
            fwrite(&shares[i].expected, sizeof shares[i].expected, 1, stdout);
        }
    }
    return 0;
}

/* The least that one cycle can cost: the same requests as the agent's, in a bare loop on libmodbus.
 *
 *     floor PORT CYCLES PERIOD_US
 *
 * One cycle reads 50 holding and 25 input registers, writes 14 holding registers and reads them back.
 * Prints JSON: nanoseconds of every cycle by stage, and the processor time of all of them.
 */
#include <errno.h>
#include <modbus.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { READ, WRITE, BACK, STAGES };

static int64_t clock_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void sleep_until(int64_t ns)
{
    struct timespec when = {ns / 1000000000, ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) == EINTR)
        ;
}

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, modbus_strerror(errno));
    exit(1);
}

static void cycle(modbus_t *plc, uint16_t heartbeat, int64_t spent[STAGES])
{
    uint16_t holding[50], input[25], block[14] = {heartbeat}, back[14];
    int64_t start = clock_ns(CLOCK_MONOTONIC), read, written;

    if (modbus_read_registers(plc, 0, 50, holding) != 50 ||
        modbus_read_input_registers(plc, 0, 25, input) != 25)
        fail("read");
    read = clock_ns(CLOCK_MONOTONIC);
    if (modbus_write_registers(plc, 400, 14, block) != 14)
        fail("write");
    written = clock_ns(CLOCK_MONOTONIC);
    if (modbus_read_registers(plc, 400, 14, back) != 14 || memcmp(block, back, sizeof block) != 0)
        fail("read back");
    spent[READ] = read - start;
    spent[WRITE] = written - read;
    spent[BACK] = clock_ns(CLOCK_MONOTONIC) - written;
}

int main(int argc, char **argv)
{
    static const char *const names[STAGES] = {"read", "write", "back"};
    int cycles = argc == 4 ? atoi(argv[2]) : 0;
    int64_t period = argc == 4 ? atoll(argv[3]) * 1000 : 0, start, cpu;
    int64_t (*spent)[STAGES] = calloc((size_t)cycles + 1, sizeof *spent);
    modbus_t *plc = cycles > 0 ? modbus_new_tcp("127.0.0.1", atoi(argv[1])) : NULL;

    if (!plc || !spent || modbus_connect(plc) == -1)
        fail("floor PORT CYCLES PERIOD_US");
    for (int n = 0; n < 20; n++)
        cycle(plc, (uint16_t)n, spent[0]);
    start = clock_ns(CLOCK_MONOTONIC);
    cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (int n = 0; n < cycles; n++) {
        sleep_until(start + n * period);
        cycle(plc, (uint16_t)n, spent[n]);
    }
    cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("{\"cpu\": %lld", (long long)cpu);
    for (int stage = 0; stage < STAGES; stage++) {
        printf(", \"%s\": [", names[stage]);
        for (int n = 0; n < cycles; n++)
            printf("%s%lld", n ? "," : "", (long long)spent[n][stage]);
        printf("]");
    }
    printf("}\n");
    modbus_free(plc);
    return 0;
}

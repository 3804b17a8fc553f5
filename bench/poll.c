/* The named peer of polling: libmodbus' own client, blocking, one device after the other at every tick.
 *
 *     poll PORT DEVICES REGISTERS TICKS PERIOD_US STAGGERED
 *
 * STAGGERED is 0 for all devices at once, or 1 for each at a time of its own within the period.
 *
 * Prints the processor time of one request in nanoseconds.
 */
#include <errno.h>
#include <modbus.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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

int main(int argc, char **argv)
{
    if (argc != 7)
        return 2;
    int devices = atoi(argv[2]), registers = atoi(argv[3]), ticks = atoi(argv[4]);
    int64_t period = atoll(argv[5]) * 1000, apart = atoi(argv[6]) ? period / devices : 0, start, cpu;
    modbus_t **plc = calloc((size_t)devices, sizeof *plc);
    uint16_t held[125];

    for (int n = 0; n < devices; n++)
        if (!(plc[n] = modbus_new_tcp("127.0.0.1", atoi(argv[1]))) || modbus_connect(plc[n]) == -1)
            return 1;
    start = clock_ns(CLOCK_MONOTONIC);
    cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (int tick = 0; tick < ticks; tick++)
        for (int n = 0; n < devices; n++) {
            if (n == 0 || apart)
                sleep_until(start + tick * period + n * apart);
            if (modbus_read_registers(plc[n], 0, registers, held) != registers)
                return 1;
        }
    cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("%lld\n", (long long)(cpu / ((int64_t)ticks * devices)));
    return 0;
}

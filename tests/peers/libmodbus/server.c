/* A server on libmodbus.
 *   server [PORT]       Modbus TCP, one client at a time; prints its port
 *   server PORT pairs   the same, and only even numbers of registers from even addresses are given
 *   server PORT deaf    the same, and what is written is acknowledged and forgotten
 *   server PORT HOLES   the same; HOLES are such as 48-51,60-79. A request that begins or ends in one is
 *                       refused, and so is one over more than 5 registers of one; others get 0 for them
 *   server DEVICE UNIT  Modbus RTU, 115200 8N1; prints 0
 * Holding register n holds n, input register n holds 65535 - n, coil and discrete input n hold n % 3 == 0.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REGISTERS = 2000, BITS = 2000, HOLES = 16, TOLERATED = 5 };

static modbus_mapping_t *nowhere;
static int pairs, holes, first[HOLES], last[HOLES];

static int refused(modbus_t *context, const uint8_t *request)
{
    const uint8_t *pdu = request + modbus_get_header_length(context);
    int start = pdu[1] << 8 | pdu[2], end = start + (pdu[3] << 8 | pdu[4]) - 1;

    if (pdu[0] != MODBUS_FC_READ_HOLDING_REGISTERS && pdu[0] != MODBUS_FC_READ_INPUT_REGISTERS)
        return 0;
    if (pairs && (start % 2 == 1 || end % 2 == 0))
        return 1;
    for (int n = 0; n < holes; n++)
        if ((first[n] <= start && start <= last[n]) || (first[n] <= end && end <= last[n])
            || (start < first[n] && last[n] < end && last[n] - first[n] >= TOLERATED))
            return 1;
    return 0;
}

static int is_write(modbus_t *context, const uint8_t *request)
{
    uint8_t function = request[modbus_get_header_length(context)];
    return function == MODBUS_FC_WRITE_SINGLE_COIL || function == MODBUS_FC_WRITE_SINGLE_REGISTER
        || function == MODBUS_FC_WRITE_MULTIPLE_COILS || function == MODBUS_FC_WRITE_MULTIPLE_REGISTERS;
}

static int answer(modbus_t *context, const uint8_t *request, int length, modbus_mapping_t *map)
{
    if (refused(context, request))
        return modbus_reply_exception(context, request, MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS);
    return modbus_reply(context, request, length, nowhere && is_write(context, request) ? nowhere : map);
}

static int port_of(int listener)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    if (getsockname(listener, (struct sockaddr *)&address, &size) == -1)
        return -1;
    return ntohs(address.sin_port);
}

static int failed(void)
{
    fprintf(stderr, "%s\n", modbus_strerror(errno));
    return 1;
}

static int serve_tcp(modbus_t *context, modbus_mapping_t *map)
{
    uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
    int length, listener = modbus_tcp_listen(context, 1);

    if (listener == -1)
        return failed();
    printf("%d\n", port_of(listener));
    fflush(stdout);
    while (modbus_tcp_accept(context, &listener) != -1) {
        while ((length = modbus_receive(context, request)) != -1)
            if (length > 0 && answer(context, request, length, map) == -1)
                break;
        modbus_close(context);
    }
    return 0;
}

static int serve_rtu(modbus_t *context, modbus_mapping_t *map, int unit)
{
    uint8_t request[MODBUS_RTU_MAX_ADU_LENGTH];
    int length;

    if (modbus_set_slave(context, unit) == -1 || modbus_connect(context) == -1)
        return failed();
    printf("0\n");
    fflush(stdout);
    for (;;)
        if ((length = modbus_receive(context, request)) > 0)
            modbus_reply(context, request, length, map);
}

int main(int argc, char **argv)
{
    int serial = argc > 2 && strchr(argv[1], '/') != NULL;
    modbus_t *context = serial ? modbus_new_rtu(argv[1], 115200, 'N', 8, 1)
                               : modbus_new_tcp("127.0.0.1", argc > 1 ? atoi(argv[1]) : 0);
    modbus_mapping_t *map = modbus_mapping_new(BITS, BITS, REGISTERS, REGISTERS);

    if (!context || !map)
        return failed();
    for (int n = 0; n < REGISTERS; n++) {
        map->tab_registers[n] = (uint16_t)n;
        map->tab_input_registers[n] = (uint16_t)(65535 - n);
        map->tab_bits[n] = map->tab_input_bits[n] = n % 3 == 0;
    }
    if (!serial && argc > 2) {
        pairs = strcmp(argv[2], "pairs") == 0;
        if (strcmp(argv[2], "deaf") == 0)
            nowhere = modbus_mapping_new(BITS, BITS, REGISTERS, REGISTERS);
        for (char *hole = strtok(argv[2], ","); !pairs && !nowhere && hole && holes < HOLES; hole = strtok(NULL, ",")) {
            if (sscanf(hole, "%d-%d", &first[holes], &last[holes]) != 2)
                return 1;
            for (int n = first[holes]; n <= last[holes]; n++)
                map->tab_registers[n] = map->tab_input_registers[n] = 0;
            holes++;
        }
    }
    return serial ? serve_rtu(context, map, atoi(argv[2])) : serve_tcp(context, map);
}

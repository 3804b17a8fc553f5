/* A Modbus TCP server on libmodbus: one client at a time, port 0 for a free one, which it prints.
 * Holding register n holds n, input register n holds 65535 - n, coil and discrete input n hold n % 3 == 0.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>

enum { REGISTERS = 2000, BITS = 2000 };

static int port_of(int listener)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    if (getsockname(listener, (struct sockaddr *)&address, &size) == -1)
        return -1;
    return ntohs(address.sin_port);
}

int main(int argc, char **argv)
{
    modbus_t *context = modbus_new_tcp("127.0.0.1", argc > 1 ? atoi(argv[1]) : 0);
    modbus_mapping_t *map = modbus_mapping_new(BITS, BITS, REGISTERS, REGISTERS);
    uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
    int listener, length;

    if (!context || !map || (listener = modbus_tcp_listen(context, 1)) == -1) {
        fprintf(stderr, "%s\n", modbus_strerror(errno));
        return 1;
    }
    for (int n = 0; n < REGISTERS; n++) {
        map->tab_registers[n] = (uint16_t)n;
        map->tab_input_registers[n] = (uint16_t)(65535 - n);
        map->tab_bits[n] = map->tab_input_bits[n] = n % 3 == 0;
    }
    printf("%d\n", port_of(listener));
    fflush(stdout);
    while (modbus_tcp_accept(context, &listener) != -1) {
        while ((length = modbus_receive(context, request)) != -1)
            if (length > 0 && modbus_reply(context, request, length, map) == -1)
                break;
        modbus_close(context);
    }
    return 0;
}

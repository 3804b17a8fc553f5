/* A Modbus TCP server on libmodbus that serves any number of clients: `many [PORT]`, 0 for a free one, printed.
 * Holding register n holds n. The last two input registers, high word first, count the requests served.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <modbus.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REGISTERS = 65536, CLIENTS = 1000 };

static int port_of(int listener)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    return getsockname(listener, (struct sockaddr *)&address, &size) == -1 ? -1 : ntohs(address.sin_port);
}

/* Whether the client is still there. */
static int serve(modbus_t *context, modbus_mapping_t *map, int client)
{
    uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
    modbus_set_socket(context, client);
    int length = modbus_receive(context, request);
    if (length > 0 && ++map->tab_input_registers[REGISTERS - 1] == 0)
        map->tab_input_registers[REGISTERS - 2]++;
    return length != -1 && (length == 0 || modbus_reply(context, request, length, map) != -1);
}

int main(int argc, char **argv)
{
    static struct pollfd open_[CLIENTS + 1];
    modbus_t *context = modbus_new_tcp("127.0.0.1", argc > 1 ? atoi(argv[1]) : 0);
    modbus_mapping_t *map = modbus_mapping_new(0, 0, REGISTERS, REGISTERS);
    int count = 1;

    if (!context || !map || (open_[0].fd = modbus_tcp_listen(context, CLIENTS)) == -1) {
        fprintf(stderr, "%s\n", modbus_strerror(errno));
        return 1;
    }
    for (int n = 0; n < REGISTERS; n++)
        map->tab_registers[n] = (uint16_t)n;
    open_[0].events = POLLIN;
    printf("%d\n", port_of(open_[0].fd));
    fflush(stdout);
    while (poll(open_, count, -1) != -1) {
        for (int n = count - 1; n > 0; n--)
            if (open_[n].revents && !serve(context, map, open_[n].fd)) {
                close(open_[n].fd);
                open_[n] = open_[--count];
            }
        if (open_[0].revents && count <= CLIENTS) {
            int one = 1;
            open_[count] = (struct pollfd){.fd = accept(open_[0].fd, NULL, NULL), .events = POLLIN};
            setsockopt(open_[count++].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        }
    }
    return 1;
}

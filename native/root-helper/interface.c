/* Interfaces by rtnetlink (rtnetlink(7)): one message, one acknowledgement. */
#include "verbs.h"

enum {
  AF_NETLINK_ = 16,
  AF_INET_ = 2,
  AF_INET6_ = 10,
  SOCK_RAW_ = 3,
  SOCK_DATAGRAM_ = 2,
  SOCK_CLOEXEC_ = 0x80000,
  NLM_REQUEST = 1,
  NLM_ACK = 4,
  NLM_EXCLUSIVE = 0x200,
  NLM_CREATE = 0x400,
  NLMSG_ERROR_ = 2,
  NEW_LINK = 16,
  DELETE_LINK = 17,
  NEW_ADDRESS = 20,
  DELETE_ADDRESS = 21,
  LINK_NAME = 3,
  LINK_MTU = 4,
  LINK_INFO = 18,
  INFO_KIND = 1,
  ADDRESS_ADDRESS = 1,
  ADDRESS_LOCAL = 2,
  FLAG_UP = 1,
  GET_INDEX = 0x8933,
};

struct nlmsghdr_ {
  uint32_t length;
  uint16_t type, flags;
  uint32_t sequence, port;
};

struct ifinfomsg_ {
  uint8_t family, pad;
  uint16_t type;
  int32_t index;
  uint32_t flags, change;
};

struct ifaddrmsg_ {
  uint8_t family, prefix, flags, scope;
  uint32_t index;
};

struct ifreq_ {
  char name[16];
  int32_t index;
  char rest[20];
};

/* A message as it grows; the kernel wants every part at a multiple of 4. */
typedef struct {
  union {
    struct nlmsghdr_ header;
    uint8_t bytes[256];
  };
} Message;

static void *add_part(Message *message, size_t size) {
  void *at = message->bytes + message->header.length;
  message->header.length += (uint32_t)((size + 3) & ~(size_t)3);
  return at;
}

static void add_attribute(Message *message, uint16_t type, const void *value, size_t size) {
  uint16_t *head = add_part(message, 4 + size);
  head[0] = (uint16_t)(4 + size);
  head[1] = type;
  __builtin_memcpy(head + 2, value, size);
}

static void start_message(Message *message, uint16_t type, uint16_t flags) {
  __builtin_memset(message, 0, sizeof *message);
  message->header = (struct nlmsghdr_){sizeof message->header, type, (uint16_t)(flags | NLM_REQUEST | NLM_ACK), 1, 0};
}

static void name_link(Message *message, const Request *request) {
  add_attribute(message, LINK_NAME, request->interface, text_length(request->interface) + 1);
}

static void link_message(Message *message, const Request *request) {
  struct ifinfomsg_ info = {0};
  bool is_created = request->verb == VERB_interface_create;
  start_message(message, request->verb == VERB_interface_delete ? DELETE_LINK : NEW_LINK,
                is_created ? NLM_CREATE | NLM_EXCLUSIVE : 0);
  if (request->verb == VERB_interface_up || request->verb == VERB_interface_down) info.change = FLAG_UP;
  if (request->verb == VERB_interface_up) info.flags = FLAG_UP;
  __builtin_memcpy(add_part(message, sizeof info), &info, sizeof info);
  name_link(message, request);
  if (request->verb == VERB_interface_mtu) add_attribute(message, LINK_MTU, &request->mtu, sizeof request->mtu);
  if (!is_created) return;
  /* The kind is an attribute inside an attribute. */
  size_t size = text_length(request->kind) + 1;
  uint16_t *outer = add_part(message, 4);
  outer[0] = (uint16_t)(4 + ((4 + size + 3) & ~(size_t)3));
  outer[1] = LINK_INFO;
  add_attribute(message, INFO_KIND, request->kind, size);
}

static long find_index(const Request *request) {
  struct ifreq_ ask = {0};
  long fd = KERNEL_3(socket, AF_INET_, SOCK_DATAGRAM_ | SOCK_CLOEXEC_, 0);
  /* Where the unit's filter allows no AF_INET, netlink's own socket answers this as well. */
  if (fd < 0) fd = KERNEL_3(socket, AF_NETLINK_, SOCK_RAW_ | SOCK_CLOEXEC_, 0);
  if (fd < 0) return fd;
  __builtin_memcpy(ask.name, request->interface, sizeof request->interface);
  long error = KERNEL_3(ioctl, fd, GET_INDEX, &ask);
  close_fd((int)fd);
  return error < 0 ? error : ask.index;
}

static long address_message(Message *message, const Request *request) {
  const Address *address = &request->address;
  struct ifaddrmsg_ info = {address->size == 4 ? AF_INET_ : AF_INET6_, address->prefix, 0, 0, 0};
  bool is_added = request->verb == VERB_interface_address;
  long index = find_index(request);
  if (index < 0) return index;
  info.index = (uint32_t)index;
  start_message(message, is_added ? NEW_ADDRESS : DELETE_ADDRESS, is_added ? NLM_CREATE | NLM_EXCLUSIVE : 0);
  __builtin_memcpy(add_part(message, sizeof info), &info, sizeof info);
  add_attribute(message, ADDRESS_LOCAL, address->bytes, address->size);
  add_attribute(message, ADDRESS_ADDRESS, address->bytes, address->size);
  return 0;
}

/* What the kernel says of the message: 0, or minus an error number. */
static long exchange(Message *message) {
  struct {
    struct nlmsghdr_ header;
    int32_t error;
    uint8_t rest[512];
  } reply;
  long fd = KERNEL_3(socket, AF_NETLINK_, SOCK_RAW_ | SOCK_CLOEXEC_, 0);
  if (fd < 0) return fd;
  long sent = KERNEL_6(sendto, fd, message->bytes, message->header.length, 0, 0, 0);
  long got = sent < 0 ? sent : KERNEL_6(recvfrom, fd, &reply, sizeof reply, 0, 0, 0);
  close_fd((int)fd);
  if (got < 0) return got;
  if (got < 20 || reply.header.type != NLMSG_ERROR_) return -ERR_IO;
  return reply.error;
}

void change_interface(const Request *request, Answer *answer) {
  Message message;
  long error = 0;
  if (request->verb == VERB_interface_address || request->verb == VERB_interface_no_address)
    error = address_message(&message, request);
  else link_message(&message, request);
  if (error == 0) error = exchange(&message);
  if (error == 0) answer_ok(answer, request->interface);
  else answer_error(answer, "the kernel refuses that of the interface", error);
}

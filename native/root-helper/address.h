/* Internet addresses with a prefix length, as text: 10.1.2.3/24, fd00::1/64. */
#ifndef MYCELIUM_ADDRESS_H
#define MYCELIUM_ADDRESS_H

#include "request.h"

/* False for whatever is not one; host bits may be set. */
bool read_address(const char *text, Address *address);

#endif

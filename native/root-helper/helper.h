/*
** The root helper (DESIGN.md): answers the one request that comes over standard input, and ends. Like the launcher it
** uses no C library.
*/
#ifndef MYCELIUM_ROOT_HELPER_H
#define MYCELIUM_ROOT_HELPER_H

/* `words` are those after --root-helper. Returns the exit status. */
int root_helper_main(char *const *words);

#endif

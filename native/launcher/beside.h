/* Small processes of the launcher's beside the core: what the guardian and whoever sees a switch off share. */
#ifndef MYCELIUM_BESIDE_H
#define MYCELIUM_BESIDE_H

#include "launcher.h"

/* A supervisor starts the process `pid`, which has this environment, again when it ends. */
bool is_supervised(char *const *environment, int pid);

/*
** Forks a process that is nobody's child and in no terminal's session, holds the standard error and `kept` only, and
** goes on behind this call with what `kept` became. Here it returns -1. Says why there is none.
*/
int step_beside(int kept);

/* Waits for at most `wait_ms` for the end of the process of a pidfd. */
bool has_ended(int pidfd, int64_t wait_ms);

/* The path of a process's executable; "" when it cannot be told. */
void find_executable(int pid, char path[PATH_SIZE]);

/* This process becomes the launcher, as the node was started; its standard output is the standard error. */
__attribute__((noreturn)) void start_again(const char *launcher, char **argv, char **environment);

#endif

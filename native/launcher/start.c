/*
** Where the kernel enters, and the four memory functions that compilers call on their own. Nothing else of a C
** library is in the launcher.
*/
#include "kernel.h"
#include "launcher.h"
#include "sha256.h"

#if defined(__x86_64__)
__asm__(
    ".globl _start\n"
    "_start:\n"
    "  xor %ebp, %ebp\n"
    "  mov %rsp, %rdi\n"
    "  and $-16, %rsp\n"
    "  call start_launcher\n"
    "  hlt\n");
#else
__asm__(
    ".globl _start\n"
    "_start:\n"
    "  mov x29, #0\n"
    "  mov x30, #0\n"
    "  mov x0, sp\n"
    "  bl start_launcher\n"
    "  brk #0\n");
#endif

/* Standard descriptors that are closed would be given to files of ours: they get /dev/null, as glibc does. */
static void open_standard_streams(void) {
  struct statx_ status;
  for (int fd = 0; fd < 3; fd++) {
    if (stat_fd(fd, &status) >= 0) continue;
    if (KERNEL_4(openat, AT_CWD, "/dev/null", OPEN_BOTH, 0) != fd) return;
  }
}

/* What the processor can do stands in the auxiliary vector, behind the environment. */
static void read_auxiliary(char *const *environment) {
  const uint64_t at_hwcap = 16;
  while (*environment != 0) environment++;
  for (const uint64_t *pair = (const uint64_t *)(environment + 1); pair[0] != 0; pair += 2)
    if (pair[0] == at_hwcap) sha256_use_hardware(pair[1]);
}

/* `stack` is what the kernel lays out: argc, argv, 0, environment, 0, auxiliary vector. */
__attribute__((noreturn, used)) void start_launcher(long *stack) {
  int argc = (int)stack[0];
  char **argv = (char **)(stack + 1);
  char **environment = argv + argc + 1;
  open_standard_streams();
  read_auxiliary(environment);
  end_process(launcher_main(argc, argv, environment));
}

/* Volatile or assembly, so that no compiler makes of these loops a call of themselves. */
void *memcpy(void *restrict to, const void *restrict from, size_t size) {
  void *start = to;
#if defined(__x86_64__)
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
#else
  uint8_t *out = to;
  const uint8_t *in = from;
  for (; size >= 16; size -= 16, in += 16, out += 16) {
    __asm__ volatile("ldp x9, x10, [%0]\n stp x9, x10, [%1]"
                     :
                     : "r"(in), "r"(out)
                     : "x9", "x10", "memory");
  }
  for (; size > 0; size--) *(volatile uint8_t *)out++ = *in++;
#endif
  return start;
}

void *memmove(void *to, const void *from, size_t size) {
  if ((uintptr_t)to - (uintptr_t)from >= size) return memcpy(to, from, size);
  uint8_t *out = to;
  const uint8_t *in = from;
  while (size-- > 0) ((volatile uint8_t *)out)[size] = in[size];
  return to;
}

void *memset(void *to, int value, size_t size) {
#if defined(__x86_64__)
  void *at = to;
  __asm__ volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(value) : "memory");
#else
  uint8_t *out = to;
  uint64_t word = (uint8_t)value * 0x0101010101010101ull;
  for (; size >= 16; size -= 16, out += 16) {
    __asm__ volatile("stp %0, %0, [%1]" : : "r"(word), "r"(out) : "memory");
  }
  for (; size > 0; size--) *(volatile uint8_t *)out++ = (uint8_t)value;
#endif
  return to;
}

int memcmp(const void *one, const void *other, size_t size) {
  const volatile uint8_t *a = one, *b = other;
  for (size_t i = 0; i < size; i++)
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  return 0;
}

/* As a C library has it where assertions are off. */
#undef assert
#define assert(condition) ((void)0)

/* System calls and the entry of programs without a libc, x86-64. */

typedef unsigned long word;

static inline __attribute__((always_inline)) long
call(long number, word a, word b, word c, word d)
{
    register word fourth __asm__("r10") = d;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                     : "rcx", "r11", "memory");
    return result;
}

#define CALL(number, a, b, c, d) call(number, (word)(a), (word)(b), (word)(c), (word)(d))

enum {
    READ = 0,
    WRITE = 1,
    OPEN = 2,
    CLOSE = 3,
    SIGPROCMASK = 14,
    PIPE = 22,
    PAUSE = 34,
    GETPID = 39,
    FORK = 57,
    VFORK = 58,
    EXECVE = 59,
    WAIT4 = 61,
    KILL = 62,
    CHDIR = 80,
    GETRUSAGE = 98,
    SETPGID = 109,
    SIGTIMEDWAIT = 128,
    CLOCK_GETTIME = 228,
    EXIT_GROUP = 231,
};

enum { O_RDONLY = 0, O_WRONLY = 1, O_CLOEXEC = 02000000 };
enum { SIG_SETMASK = 2, SIGUSR1 = 10, SIGTERM = 15, SIGCHLD = 17, WNOHANG = 1 };

static inline __attribute__((always_inline, noreturn)) void
leave(int code)
{
    for (;;)
        CALL(EXIT_GROUP, code, 0, 0, 0);
}

static inline word
number_of(const char *text)
{
    word number = 0;
    while (*text >= '0' && *text <= '9')
        number = number * 10 + (word)(*text++ - '0');
    return number;
}

/* What the kernel puts on the stack: argc, argv, 0, envp, 0. */
__attribute__((noreturn, used)) void begin(word *stack);

__asm__(".globl _start\n"
        "_start:\n"
        "    mov %rsp, %rdi\n"
        "    and $-16, %rsp\n"
        "    call begin\n");

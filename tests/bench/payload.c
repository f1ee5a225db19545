/*
 * What the benchmark's inits run: programs of a few instructions, so that the payload does not drown the measure.
 *
 * They report by records of two words, the monotonic time in nanoseconds and one more, in a FIFO whose path they are
 * given: it works whatever an init does with descriptors, and 4096 records fit before anybody must read.
 *
 *   payload FIFO                      stamps the time as its first act, reports it, and waits for ever
 *   payload stamp FIFO PROGRAM ARG... reports the time and its page faults so far, and becomes PROGRAM
 *   payload echo FIFO                 reports once that it is there, then each SIGUSR1
 *   payload die FIFO GO               reports that it is there, reads a byte from GO, reports again and ends with 3
 *   payload backlog FIFO GO COUNT     on a byte from GO, COUNT zombies lose their parent
 *   payload burst FIFO GO COUNT       on a byte from GO, COUNT living orphans end at once
 *   payload write LETTER BYTES        writes lines of 100 bytes to standard output, 4 KiB at a time
 */

#include "bare.h"

enum { WORDS_MAX = 8 };
enum { LINE = 100, BLOCK = 4096, ROUND = LINE * BLOCK / 4 };

static char lines[ROUND];

static inline __attribute__((always_inline)) word
now(void)
{
    word time[2];
    CALL(CLOCK_GETTIME, 1, time, 0, 0);
    return time[0] * 1000000000 + time[1];
}

static void
report(const char *path, word time, word other)
{
    word record[2] = {time, other};
    long fd = CALL(OPEN, path, 1, 0, 0);
    CALL(WRITE, fd, record, sizeof record, 0);
    CALL(CLOSE, fd, 0, 0, 0);
}

static void
wait_for_word(const char *path)
{
    char byte;
    long fd = CALL(OPEN, path, 0, 0, 0);
    CALL(READ, fd, &byte, 1, 0);
    CALL(CLOSE, fd, 0, 0, 0);
}

static __attribute__((noreturn)) void
rest(void)
{
    for (;;)
        CALL(PAUSE, 0, 0, 0, 0);
}

static word
page_faults(void)
{
    word usage[18];
    CALL(GETRUSAGE, 0, usage, 0, 0);
    return usage[8];
}

static __attribute__((noreturn)) void
echo(const char *path)
{
    word set = 1UL << (SIGUSR1 - 1);
    CALL(SIGPROCMASK, SIG_SETMASK, &set, 0, 8);
    report(path, now(), 0);
    for (;;) {
        CALL(SIGTIMEDWAIT, &set, 0, 0, 8);
        report(path, now(), 0);
    }
}

/* Starts the orphans' parent, and returns when its children are there. What is written to `go` then ends it. */
static long
parent_of_zombies(word count, long *go)
{
    int hold[2], dead[2];
    char byte;
    CALL(PIPE, hold, 0, 0, 0);
    CALL(PIPE, dead, 0, 0, 0);
    long parent = CALL(FORK, 0, 0, 0, 0);
    if (parent == 0) {
        CALL(SETPGID, 0, 0, 0, 0);
        CALL(CLOSE, hold[1], 0, 0, 0);
        for (word at = 0; at < count; at++)
            if (CALL(VFORK, 0, 0, 0, 0) == 0)
                leave(0);
        CALL(WRITE, dead[1], &byte, 1, 0);
        CALL(READ, hold[0], &byte, 1, 0);
        leave(0);
    }
    CALL(READ, dead[0], &byte, 1, 0);
    *go = hold[1];
    return parent;
}

/* Orphans that live until `go` is closed. */
static long
parent_of_living(word count, long *go)
{
    int hold[2];
    char byte;
    CALL(PIPE, hold, 0, 0, 0);
    long parent = CALL(FORK, 0, 0, 0, 0);
    if (parent == 0) {
        CALL(SETPGID, 0, 0, 0, 0);
        CALL(CLOSE, hold[1], 0, 0, 0);
        for (word at = 0; at < count; at++) {
            long pid = CALL(FORK, 0, 0, 0, 0);
            if (pid == 0) {
                CALL(READ, hold[0], &byte, 1, 0);
                leave(0);
            }
            if (pid < 0)
                leave(1);
        }
        leave(0);
    }
    int status = 1;
    CALL(WAIT4, parent, &status, 0, 0);
    if (status != 0)
        leave(1);
    *go = hold[1];
    return parent;
}

/* Each further byte asks whether any of them is left. Nobody asks while they are reaped: that takes a lock. */
static __attribute__((noreturn)) void
orphans(int living, const char *path, const char *word_from, word count)
{
    long go;
    long group = living ? parent_of_living(count, &go) : parent_of_zombies(count, &go);
    int status;
    report(path, now(), 0);
    wait_for_word(word_from);
    CALL(CLOSE, go, 0, 0, 0);
    if (!living)
        CALL(WAIT4, group, &status, 0, 0);
    for (;;) {
        wait_for_word(word_from);
        report(path, now(), CALL(KILL, -group, 0, 0, 0) == 0);
    }
}

static __attribute__((noreturn)) void
write_lines(char letter, word bytes)
{
    for (word at = 0; at < ROUND; at++)
        lines[at] = at % LINE == LINE - 1 ? '\n' : letter;
    for (word at = 0; bytes >= BLOCK; at = (at + BLOCK) % ROUND, bytes -= BLOCK)
        for (word done = 0; done < BLOCK;) {
            long written = CALL(WRITE, 1, lines + at + done, BLOCK - done, 0);
            if (written < 0)
                leave(1);
            done += (word)written;
        }
    leave(0);
}

static int
has_blank(const char *text)
{
    while (*text && *text != ' ')
        text++;
    return *text == ' ';
}

/* As an interpreter we are given the rest of the script's first line as one argument. */
static char **
words_of(char *text, char **words)
{
    int count = 1;
    words[count++] = text;
    for (; *text && count < WORDS_MAX; text++)
        if (*text == ' ') {
            *text = 0;
            words[count++] = text + 1;
        }
    return words;
}

void
begin(word *stack)
{
    word time = now();
    char **argv = (char **)(stack + 1);
    char **envp = argv + stack[0] + 1;
    char *split[WORDS_MAX];
    if (has_blank(argv[1]))
        argv = words_of(argv[1], split);
    const char *what = argv[1], *path = argv[2];
    if (*what == '/') {
        report(what, time, 0);
        rest();
    }
    switch (*what) {
    case 's': {
        word record[2] = {0, page_faults()};
        long fd = CALL(OPEN, path, 1 | 02000000, 0, 0);
        record[0] = now();
        CALL(WRITE, fd, record, sizeof record, 0);
        CALL(EXECVE, argv[3], argv + 3, envp, 0);
        leave(127);
    }
    case 'e':
        echo(path);
    case 'd':
        report(path, time, 0);
        wait_for_word(argv[3]);
        report(path, now(), 0);
        leave(3);
    case 'b':
        orphans(what[1] == 'u', path, argv[3], number_of(argv[4]));
    case 'w':
        write_lines(*path, number_of(argv[3]));
    }
    leave(2);
}

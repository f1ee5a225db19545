/*
 * What the benchmark's inits run: programs of a few instructions, so that the payload does not drown the measure.
 *
 * They report by records of two words, the monotonic time in nanoseconds and one more, in a FIFO `fifo` of their
 * directory that the benchmark holds open: it works whatever an init does with descriptors, and 4096 records fit before
 * it must be read. Some wait for a byte from another FIFO, `go`.
 *
 *   payload                        stamps the time as its first act, reports it, and waits for ever
 *   payload stamp PROGRAM ARG...   reports the time and its page faults so far, and becomes PROGRAM
 *   payload echo                   reports once that it is there, then each SIGUSR1
 *   payload die                    reports that it is there, waits for a byte, reports again and ends with 3
 *   payload backlog COUNT          reports 0, or 1 where it may not have so many processes; on a byte, COUNT zombies
 *                                  lose their parent; on each further one, reports whether any is left
 *   payload burst COUNT            on a byte, COUNT living orphans end at once; then the same
 *   payload trickle COUNT          the same, but one after the other
 *   payload write BYTES            on a byte, writes BYTES to standard output in lines of 100 bytes, 4 KiB at a time,
 *                                  reports that, and ends with 0
 *   payload read                   reads standard input to its end
 *
 * As a script's interpreter it is given all words as one, and the directory before them: `#!payload /DIRECTORY WORD...`.
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
report(word time, word other)
{
    word record[2] = {time, other};
    long fd = CALL(OPEN, "fifo", O_WRONLY, 0, 0);
    CALL(WRITE, fd, record, sizeof record, 0);
    CALL(CLOSE, fd, 0, 0, 0);
}

static void
wait_for_go(void)
{
    char byte;
    long fd = CALL(OPEN, "go", O_RDONLY, 0, 0);
    CALL(READ, fd, &byte, 1, 0);
    CALL(CLOSE, fd, 0, 0, 0);
}

static __attribute__((noreturn)) void
rest(void)
{
    for (;;)
        CALL(PAUSE, 0, 0, 0, 0);
}

static __attribute__((noreturn)) void
stamp(char **argv, char **envp)
{
    word usage[18];
    CALL(GETRUSAGE, 0, usage, 0, 0);
    word record[2] = {0, usage[8]};
    long fd = CALL(OPEN, "fifo", O_WRONLY | O_CLOEXEC, 0, 0);
    record[0] = now();
    CALL(WRITE, fd, record, sizeof record, 0);
    CALL(EXECVE, argv[0], argv, envp, 0);
    leave(127);
}

static __attribute__((noreturn)) void
echo(void)
{
    word set = 1UL << (SIGUSR1 - 1);
    CALL(SIGPROCMASK, SIG_SETMASK, &set, 0, 8);
    report(now(), 0);
    for (;;) {
        CALL(SIGTIMEDWAIT, &set, 0, 0, 8);
        report(now(), 0);
    }
}

/*
 * Starts the orphans' parent, and returns when its children are there, with -1 where there may not be so many. What is
 * written to `hold` then ends it.
 */
static long
parent_of_zombies(word count, long *hold)
{
    int held[2], dead[2];
    char byte = 0;
    CALL(PIPE, held, 0, 0, 0);
    CALL(PIPE, dead, 0, 0, 0);
    long parent = CALL(FORK, 0, 0, 0, 0);
    if (parent == 0) {
        CALL(SETPGID, 0, 0, 0, 0);
        CALL(CLOSE, held[1], 0, 0, 0);
        for (word at = 0; at < count; at++) {
            long pid = CALL(VFORK, 0, 0, 0, 0);
            if (pid == 0)
                leave(0);
            if (pid < 0)
                leave(1);
        }
        CALL(WRITE, dead[1], &byte, 1, 0);
        CALL(READ, held[0], &byte, 1, 0);
        leave(0);
    }
    CALL(CLOSE, dead[1], 0, 0, 0);
    if (CALL(READ, dead[0], &byte, 1, 0) != 1)
        return -1;
    *hold = held[1];
    return parent;
}

/* The same with orphans of which each byte written to `hold` ends one, and its end all. */
static long
parent_of_living(word count, long *hold)
{
    int held[2];
    char byte;
    CALL(PIPE, held, 0, 0, 0);
    long parent = CALL(FORK, 0, 0, 0, 0);
    if (parent == 0) {
        CALL(SETPGID, 0, 0, 0, 0);
        CALL(CLOSE, held[1], 0, 0, 0);
        for (word at = 0; at < count; at++) {
            long pid = CALL(FORK, 0, 0, 0, 0);
            if (pid == 0) {
                CALL(READ, held[0], &byte, 1, 0);
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
        return -1;
    *hold = held[1];
    return parent;
}

/* Nothing looks while they are reaped: to look takes a lock which reaping needs. */
static __attribute__((noreturn)) void
orphans(char kind, word count)
{
    int living = kind != 'a';
    char byte = 0;
    long hold;
    long group = living ? parent_of_living(count, &hold) : parent_of_zombies(count, &hold);
    int status;
    report(now(), group < 0);
    if (group < 0)
        rest();
    wait_for_go();
    for (word at = 0; kind == 'r' && at < count; at++)
        CALL(WRITE, hold, &byte, 1, 0);
    CALL(CLOSE, hold, 0, 0, 0);
    if (!living)
        CALL(WAIT4, group, &status, 0, 0);
    for (;;) {
        wait_for_go();
        report(now(), CALL(KILL, -group, 0, 0, 0) == 0);
    }
}

/* Lines consist of one letter each, another one for each of a few writers: their numbers differ. */
static __attribute__((noreturn)) void
write_lines(word bytes)
{
    char letter = (char)('a' + CALL(GETPID, 0, 0, 0, 0) % 26);
    for (word at = 0; at < ROUND; at++)
        lines[at] = at % LINE == LINE - 1 ? '\n' : letter;
    report(now(), 0);
    wait_for_go();
    for (word at = 0; bytes >= BLOCK; at = (at + BLOCK) % ROUND, bytes -= BLOCK)
        for (word done = 0; done < BLOCK;) {
            long written = CALL(WRITE, 1, lines + at + done, BLOCK - done, 0);
            if (written < 0)
                leave(1);
            done += (word)written;
        }
    report(now(), 0);
    leave(0);
}

static __attribute__((noreturn)) void
read_all(void)
{
    while (CALL(READ, 0, lines, sizeof lines, 0) > 0)
        ;
    leave(0);
}

static void
split(char *text, char **words)
{
    int count = 0;
    words[count++] = text;
    for (; *text && count < WORDS_MAX - 1; text++)
        if (*text == ' ') {
            *text = 0;
            words[count++] = text + 1;
        }
    words[count] = 0;
}

void
begin(word *stack)
{
    word time = now();
    char **argv = (char **)(stack + 1);
    char **envp = argv + stack[0] + 1;
    char *words[WORDS_MAX];
    if (argv[1] && *argv[1] == '/') {
        split(argv[1], words);
        CALL(CHDIR, words[0], 0, 0, 0);
        argv = words;
    }
    switch (argv[1] ? *argv[1] : 0) {
    case 's':
        stamp(argv + 2, envp);
    case 'e':
        echo();
    case 'd':
        report(time, 0);
        wait_for_go();
        report(now(), 0);
        leave(3);
    case 'b':
    case 't':
        orphans(argv[1][1], number_of(argv[2]));
    case 'r':
        read_all();
    case 'w':
        write_lines(number_of(argv[2]));
    default:
        report(time, 0);
        rest();
    }
}

/*
 * limit COUNT PROGRAM [ARG]...: the least that an init can do. No init can be cheaper that blocks signals, starts its
 * commands, passes signals on, reaps whatever dies, and ends with its command's code.
 *
 * It starts COUNT copies of one command, and ends with the only one, or when no child is left. It checks nothing.
 */

#include "bare.h"

enum { COPIES_MAX = 1024 };

static int pids[COPIES_MAX];

void
begin(word *stack)
{
    char **argv = (char **)(stack + 1);
    char **envp = argv + stack[0] + 1;
    word all = ~0UL, before;
    CALL(SIGPROCMASK, SIG_SETMASK, &all, &before, 8);
    word count = number_of(argv[1]);
    for (word at = 0; at < count; at++) {
        long pid = CALL(VFORK, 0, 0, 0, 0);
        if (pid == 0) {
            CALL(SIGPROCMASK, SIG_SETMASK, &before, 0, 8);
            CALL(EXECVE, argv[2], argv + 2, envp, 0);
            leave(127);
        }
        pids[at] = (int)pid;
    }
    for (;;) {
        long signal = CALL(SIGTIMEDWAIT, &all, 0, 0, 8);
        if (signal != SIGCHLD) {
            for (word at = 0; at < count; at++)
                CALL(KILL, pids[at], signal, 0, 0);
            continue;
        }
        int status;
        long pid;
        while ((pid = CALL(WAIT4, -1, &status, WNOHANG, 0)) > 0)
            if (count == 1 && pid == pids[0])
                leave(status & 127 ? 128 + (status & 127) : status >> 8);
        if (pid < 0)
            leave(0);
    }
}

// Strikes one system call of a program: the Nth that matters for what is on disk, counted over all its threads.
//
// How: a seccomp filter in the program stops it at each such call, and this process, its tracer, counts and decides.
// The count starts behind exec, so that the same program with the same work has the same points each time.
//
// Killing at entry leaves the call undone, killing at exit leaves it done: between them lies every state a kill can
// leave. An errno is given without doing the call. A short write does half of it.
//
// The exit code is the program's (128 + signal when it was killed), so that a driver can tell a clean end from a panic.
// 96: this machine does not let us trace; 97: usage; 98: exec failed; 99: the filter was refused.

#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#if !defined(__x86_64__)
#error "sweep knows the registers of x86_64 only"
#endif

static const char USAGE[] =
    "usage: sweep N MODE PROGRAM [ARGUMENT...]\n"
    "  sweep 0 count PROGRAM ...       runs it unharmed and prints the number of points as the last line of stdout\n"
    "  sweep 0 list PROGRAM ...        the same, and prints each point with its call to stderr\n"
    "  sweep N kill-entry PROGRAM ...  kills it before its Nth call is done\n"
    "  sweep N kill-exit PROGRAM ...   kills it after its Nth call is done\n"
    "  sweep N err=ERRNO PROGRAM ...   its Nth call fails with this number (5 EIO, 28 ENOSPC) and is not done\n"
    "  sweep N err+=ERRNO PROGRAM ...  so do all later ones that write, sync, make or rename\n"
    "  sweep N short PROGRAM ...       its Nth call, if it is a write, writes half\n"
    "  sweep N hook PROGRAM ...        before its Nth call, while it stands, the shell command $SWEEP_HOOK is run\n"
    "  sweep 0 nosync PROGRAM ...      every call that syncs says it did, and does not\n"
    "  sweep 0 nosync=CALL PROGRAM ... only those of this name (fsync, fdatasync, syncfs, ...)\n";

// `alters`: the call changes files, so that a disk that is full or gone would refuse it.
static const struct { int number; const char *name; int alters; } CALLS[] = {
#define CALL(name, alters) {SYS_##name, #name, alters}
    CALL(write, 1), CALL(pwrite64, 1), CALL(writev, 1), CALL(pwritev, 1), CALL(pwritev2, 1), CALL(fsync, 1),
    CALL(fdatasync, 1), CALL(sync_file_range, 1), CALL(syncfs, 1), CALL(msync, 1), CALL(rename, 1),
    CALL(renameat, 1), CALL(renameat2, 1), CALL(unlink, 1), CALL(unlinkat, 1), CALL(mkdir, 1), CALL(mkdirat, 1),
    CALL(rmdir, 1), CALL(ftruncate, 1), CALL(truncate, 1), CALL(fallocate, 1), CALL(link, 1), CALL(linkat, 1),
    CALL(symlink, 1), CALL(symlinkat, 1), CALL(chmod, 1), CALL(fchmod, 1), CALL(fchmodat, 1), CALL(fchown, 1),
    CALL(utimensat, 1), CALL(copy_file_range, 1), CALL(sendfile, 1), CALL(mknodat, 1), CALL(setxattr, 1),
    CALL(fsetxattr, 1), CALL(openat, 0), CALL(open, 0), CALL(openat2, 0), CALL(creat, 1), CALL(close, 0), CALL(read, 0),
    CALL(pread64, 0), CALL(readv, 0), CALL(preadv, 0), CALL(statx, 0), CALL(newfstatat, 0), CALL(fstat, 0),
    CALL(statfs, 0), CALL(fstatfs, 0), CALL(getdents64, 0), CALL(flock, 0), CALL(fcntl, 0), CALL(sendto, 0),
    CALL(sendmsg, 0), CALL(recvfrom, 0), CALL(recvmsg, 0), CALL(connect, 0), CALL(accept4, 0),
#undef CALL
};
#define CALLS_COUNT (sizeof CALLS / sizeof *CALLS)

static unsigned index_of(int number) {
  for (unsigned i = 0; i < CALLS_COUNT; i++)
    if (CALLS[i].number == number) return i;
  return CALLS_COUNT;
}

static void become(char **program) {
  struct sock_filter filter[CALLS_COUNT * 2 + 2];
  unsigned short length = 0;
  filter[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (unsigned i = 0; i < CALLS_COUNT; i++) {
    filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALLS[i].number, 0, 1);
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
  }
  filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog compiled = {length, filter};
  if (ptrace(PTRACE_TRACEME, 0, 0, 0)) _exit(96);
  raise(SIGSTOP);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &compiled)) _exit(99);
  execvp(program[0], program);
  _exit(98);
}

static int syncs(int number) {
  return number == SYS_fsync || number == SYS_fdatasync || number == SYS_sync_file_range || number == SYS_syncfs ||
         number == SYS_msync;
}

struct plan {
  long point;         // 0: none
  const char *mode;
  int error;          // for err= and err+=
  int lasting;        // err+=
};

// What is done to the call at which `thread` stands. Gives 1 when the program was killed.
static int strike(const struct plan *plan, long count, pid_t program, pid_t thread, pid_t *kill_at_exit) {
  struct user_regs_struct registers;
  if (ptrace(PTRACE_GETREGS, thread, 0, &registers)) return 0;
  int number = (int)registers.orig_rax;
  unsigned call = index_of(number);
  const char *name = call < CALLS_COUNT ? CALLS[call].name : "?";
  if (!strcmp(plan->mode, "list")) fprintf(stderr, "%ld %s\n", count, name);
  if (!strncmp(plan->mode, "nosync", 6) && syncs(number) && (!plan->mode[6] || !strcmp(plan->mode + 7, name))) {
    // The kernel looks for no call of number -1, and leaves our answer.
    registers.orig_rax = -1;
    registers.rax = 0;
    ptrace(PTRACE_SETREGS, thread, 0, &registers);
    return 0;
  }
  // What the program says of its end is not on the disk that fails.
  int says = number == SYS_write && registers.rdi <= 2;
  int later = plan->lasting && plan->point && count > plan->point && call < CALLS_COUNT && CALLS[call].alters && !says;
  if (!plan->point || (count != plan->point && !later)) return 0;
  if (count == plan->point)
    fprintf(stderr, "sweep: point %ld is %s(%llx, %llx, %llx)\n", count, name, registers.rdi, registers.rsi, registers.rdx);
  if (!strcmp(plan->mode, "kill-entry")) { kill(program, SIGKILL); return 1; }
  if (!strcmp(plan->mode, "kill-exit")) { *kill_at_exit = thread; return 0; }
  // Its other threads stand at their next call, because nobody lets them go on meanwhile.
  if (!strcmp(plan->mode, "hook") && system(getenv("SWEEP_HOOK"))) fprintf(stderr, "sweep: the hook failed\n");
  if (plan->error) {
    registers.orig_rax = -1;
    registers.rax = -plan->error;
    ptrace(PTRACE_SETREGS, thread, 0, &registers);
  } else if (!strcmp(plan->mode, "short") && (number == SYS_write || number == SYS_pwrite64) && registers.rdx > 1) {
    registers.rdx /= 2;
    ptrace(PTRACE_SETREGS, thread, 0, &registers);
  }
  return 0;
}

int main(int count_of_arguments, char **arguments) {
  if (count_of_arguments < 4) { fputs(USAGE, stderr); return 97; }
  struct plan plan = {.point = atol(arguments[1]), .mode = arguments[2]};
  if (!strncmp(plan.mode, "err=", 4)) plan.error = atoi(plan.mode + 4);
  if (!strncmp(plan.mode, "err+=", 5)) { plan.error = atoi(plan.mode + 5); plan.lasting = 1; }
  int counts = !strcmp(plan.mode, "count") || !strcmp(plan.mode, "list");
  int whole = counts || !strcmp(plan.mode, "nosync") || !strncmp(plan.mode, "nosync=", 7);
  int known = whole || plan.error > 0 || !strcmp(plan.mode, "kill-entry") || !strcmp(plan.mode, "kill-exit") || !strcmp(plan.mode, "short") ||
              (!strcmp(plan.mode, "hook") && getenv("SWEEP_HOOK"));
  if (!known || (plan.point < 1 && !whole)) { fputs(USAGE, stderr); return 97; }

  pid_t program = fork();
  if (program < 0) return 96;
  if (!program) become(arguments + 3);
  int status;
  if (waitpid(program, &status, 0) < 0 || !WIFSTOPPED(status)) return 96;
  long options = PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                 PTRACE_O_TRACEVFORK | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC;
  if (ptrace(PTRACE_SETOPTIONS, program, 0, options)) { kill(program, SIGKILL); return 96; }
  ptrace(PTRACE_CONT, program, 0, 0);

  long count = 0;
  int started = 0, exit_code = 96;
  pid_t kill_at_exit = 0;
  for (;;) {
    pid_t thread = waitpid(-1, &status, __WALL);
    if (thread < 0) break;
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      if (thread == program) exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      continue;
    }
    int sig = WSTOPSIG(status), event = status >> 16;
    if (event == PTRACE_EVENT_EXEC) started = 1;
    if (event == PTRACE_EVENT_SECCOMP) {
      if (started && strike(&plan, ++count, program, thread, &kill_at_exit)) continue;
      ptrace(kill_at_exit == thread ? PTRACE_SYSCALL : PTRACE_CONT, thread, 0, 0);
    } else if (sig == (SIGTRAP | 0x80)) {
      if (thread == kill_at_exit) kill(program, SIGKILL);
      else ptrace(PTRACE_CONT, thread, 0, 0);
    } else {
      // Stops that are ours (events, a new thread's SIGSTOP) are not passed on; the program's own signals are.
      ptrace(PTRACE_CONT, thread, 0, event || sig == SIGSTOP || sig == SIGTRAP ? 0 : sig);
    }
  }
  if (counts) printf("%ld\n", count);
  return exit_code;
}

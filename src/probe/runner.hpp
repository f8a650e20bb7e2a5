// The runner: a process beside the daemon that runs the programs of exec checks. It is forked before the
// daemon has a thread or has read a secret, so forking it again for each program is cheap and safe, and it
// holds nothing that a program may not see.
//
//   sluiced <--socket--> runner                one, forked anew by its keeper when somebody kills it
//                          |--> supervisor     one a program: deadline, output, end; replies by itself
//                          |       '--> program --> whatever it starts
//                          '--> supervisor ...
//
// Each supervisor adopts what its program leaves behind (PR_SET_CHILD_SUBREAPER), sessions of their own
// included, and kills all of that when the program ends, at its deadline, and when the runner is gone. The
// runner does so for supervisors that were killed, and the keeper, the runner's parent, for the runner. Both
// kill what was stopped below them: the runner a supervisor that is late, and the keeper the runner. All of
// them end with the daemon: they see the end of the socket.
//
// What none of them can kill, such as a program that changed its user by sudo, is left alone after
// `kill_time_max`. Whom to kill is read from /proc, which needs a kernel with CONFIG_PROC_CHILDREN, as
// distributions have it; without that, only the program's process group is killed.
#pragma once

#include <utility>

#include <sys/types.h>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace sluice::probe {

// More programs than this are not started at once; the daemon asks for fewer (Purpose).
inline constexpr std::size_t supervisors_max = 256;

// How long the processes of a program are killed, again and again, until none is left.
inline constexpr Duration kill_time_max{1000};

// A runner that was killed is forked anew after this time.
inline constexpr Duration restart_pause{250};

// The daemon's end of the socket, and the process at the other end.
class RunnerProcess {
 public:
  RunnerProcess(int socket, pid_t process) : socket_(socket), process_(process) {}
  RunnerProcess(RunnerProcess&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), process_(other.process_) {}
  RunnerProcess& operator=(RunnerProcess&& other) noexcept {
    std::swap(socket_, other.socket_);
    std::swap(process_, other.process_);
    return *this;
  }
  ~RunnerProcess();  // which ends the runner, and does not wait for it

  int socket() const { return socket_; }
  int release_socket() { return std::exchange(socket_, -1); }
  pid_t process() const { return process_; }  // the keeper's, a child of ours

 private:
  int socket_;
  pid_t process_;
};

// Forks it. To be called while this process has one thread. It starts programs once it has been told by
// begin() whom to become.
Result<RunnerProcess> start_runner();

// Lets the runner become who the calling process is now.
Result<void> begin(const RunnerProcess& runner);

}  // namespace sluice::probe

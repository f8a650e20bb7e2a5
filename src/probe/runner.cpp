// Plain system calls: what is here runs in processes of one thread that have nothing but the socket, and no
// log.
#include "probe/runner.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe/program.hpp"

namespace sluice::probe {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr Duration kill_pause = 2ms;  // between two rounds of killing
// What a supervisor may be late by, beside the time for killing, until it is taken for stopped.
constexpr Duration supervisor_grace = 1000ms;
constexpr std::size_t tree_size_max = 32768;  // processes that one round of killing looks at
constexpr rlim_t program_descriptors = 1024;  // more break programs that use select()
constexpr const char* default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// ---- The socket
// ------------------------------------------------------------------------------------------------

// Whether it went out; not when the daemon is gone.
bool send_message(int socket, const Message& message) {
  const auto octets = encode(message);
  if (!octets) return false;
  for (;;) {
    if (send(socket, octets->data(), octets->size(), MSG_NOSIGNAL) >= 0) return true;
    if (errno != EINTR) return false;
  }
}

struct Received {
  bool closed = false;             // the daemon is gone
  std::optional<Message> message;  // none: closed, or it was malformed
};

Received receive_message(int socket) {
  static std::array<char, message_size_max> buffer;
  for (;;) {
    // The whole size is returned when it does not fit.
    const auto size = recv(socket, buffer.data(), buffer.size(), MSG_TRUNC);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return {true, {}};
    if (static_cast<std::size_t>(size) > buffer.size()) return {};
    return {false, decode({buffer.data(), static_cast<std::size_t>(size)})};
  }
}

bool is_closed_within(int socket, Duration time) {
  pollfd entry{socket, 0, 0};  // the end of the socket is told unasked
  return poll(&entry, 1, static_cast<int>(time.count())) == 1;
}

// ---- Killing
// ---------------------------------------------------------------------------------------------------

std::optional<pid_t> to_process(std::string_view text) {
  pid_t process = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), process);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return process;
}

// What can be read of a file of /proc.
std::string read_proc(const std::string& path) {
  std::string text;
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return text;
  std::array<char, 4096> part;
  for (ssize_t size = 0; (size = read(file, part.data(), part.size())) > 0;)
    text.append(part.data(), static_cast<std::size_t>(size));
  close(file);
  return text;
}

// By a signal or by a tracer. proc(5): the state follows the name, which may hold anything.
bool is_stopped(pid_t process) {
  const auto text = read_proc(fmt::format("/proc/{}/stat", process));
  const auto name_end = text.rfind(") ");
  if (name_end == std::string::npos || name_end + 2 >= text.size()) return false;
  const char state = text[name_end + 2];
  return state == 'T' || state == 't';
}

// proc(5): the processes that this thread has forked or adopted, and a space after each.
void add_children_of_thread(const std::string& path, std::vector<pid_t>& processes) {
  const auto text = read_proc(path);
  for (std::string_view rest = text; !rest.empty();) {
    const auto end = std::min(rest.find(' '), rest.size());
    if (const auto process = to_process(rest.substr(0, end))) processes.push_back(*process);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

void add_children(const std::string& process, std::vector<pid_t>& processes) {
  const auto folder = fmt::format("/proc/{}/task", process);
  DIR* const threads = opendir(folder.c_str());
  if (threads == nullptr) return;
  while (const auto* entry = readdir(threads))
    if (to_process(entry->d_name))
      add_children_of_thread(fmt::format("{}/{}/children", folder, entry->d_name), processes);
  closedir(threads);
}

// Parents first, so that none can start anew what it has lost. Whom we miss, as it was forked meanwhile,
// becomes our child when its parent dies, and so is met in the next round. To hit a stranger, a process deep
// in the tree would have to end, be reaped, and all numbers be used once, between its being read and killed.
void kill_trees(std::vector<pid_t> processes) {
  for (std::size_t i = 0; i < processes.size() && i < tree_size_max; ++i) {
    const pid_t process = processes[i];
    add_children(fmt::format("{}", process), processes);
    kill(process, SIGKILL);
  }
}

// Kills and reaps our children but those in `spared`, and all that they have started; what cannot be killed
// within `kill_time_max` stays.
template <class Processes>
void end_children(const Processes& spared) {
  const auto end = Clock::now() + kill_time_max;
  for (;;) {
    std::vector<pid_t> children;
    add_children("self", children);
    std::erase_if(children, [&](pid_t child) { return spared.contains(child); });
    if (children.empty() || Clock::now() >= end) return;
    kill_trees(children);
    const auto is_reaped = [](pid_t child) { return waitpid(child, nullptr, WNOHANG) == child; };
    // All are asked, also behind one that still lives.
    const auto reaped = std::count_if(children.begin(), children.end(), is_reaped);
    if (reaped != std::ssize(children)) poll(nullptr, 0, static_cast<int>(kill_pause.count()));
  }
}

void end_children() { end_children(std::map<pid_t, int>{}); }

// ---- A process of our own
// --------------------------------------------------------------------------------------

// SIGCHLD, and SIGTERM, which the kernel sends when the parent dies, arrive at the descriptor that is
// returned.
int take_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_SETMASK, &signals, nullptr);
  std::signal(SIGTERM, SIG_DFL);  // what is ignored would not arrive
  return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

void forget_signals(int signals) {
  signalfd_siginfo ignored;
  while (read(signals, &ignored, sizeof ignored) > 0) {
  }
}

// For a process that has just been forked: what is below it and loses its parent becomes its child.
void adopt_orphans(const char* name) {
  prctl(PR_SET_NAME, name);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
}

// SIGTERM comes when the parent dies. It may have died before: who asks for it looks at getppid(), too.
void watch_parent() { prctl(PR_SET_PDEATHSIG, SIGTERM); }

// ---- The program
// -----------------------------------------------------------------------------------------------

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

void set_program_limits() {
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  rlimit descriptors{};
  if (getrlimit(RLIMIT_NOFILE, &descriptors) != 0) return;
  descriptors.rlim_cur = std::min(descriptors.rlim_max, program_descriptors);
  setrlimit(RLIMIT_NOFILE, &descriptors);
}

// What the daemon ignores or blocks is nothing that a program expects.
void reset_signals() {
  for (int number = 1; number < NSIG; ++number) std::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Becomes the program; returns only with an errno.
int execute(Program program, int output) {
  reset_signals();
  setsid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  setpriority(PRIO_PROCESS, 0, 0);
  set_program_limits();
  const char* path = std::getenv("PATH");
  program.environment.push_back(std::string("PATH=") + (path != nullptr ? path : default_path));
  program.environment.emplace_back("LANG=C.UTF-8");
  const auto arguments = pointers_to(program.arguments), environment = pointers_to(program.environment);
  // Descriptor 0 is /dev/null already.
  if (dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0) return errno;
  close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  execve(arguments[0], arguments.data(), environment.data());
  return errno;
}

// ---- The supervisor of one program
// -----------------------------------------------------------------------------

class Supervisor {
 public:
  Supervisor(Program program, pid_t runner)
      : program_(std::move(program)), runner_(runner), signals_(take_signals()) {}

  // Nothing when nobody wants to know any more.
  std::optional<ProgramEnd> run();

 private:
  bool start();
  bool watch();
  bool has_ended();
  bool read_output();
  void fail(int failure) {
    end_.ending = Ending::not_started;
    end_.code = failure;
  }

  const Program program_;
  const pid_t runner_;
  const int signals_;
  Clock::time_point started_{};
  pid_t leader_ = 0;
  int output_ = -1;   // what the program writes; -1 after its end
  int failure_ = -1;  // an errno comes here when there is no program to become
  ProgramEnd end_;
};

std::optional<ProgramEnd> Supervisor::run() {
  started_ = Clock::now();
  if (!start()) return end_;
  const bool wanted = watch();
  end_.took = std::chrono::duration_cast<Duration>(Clock::now() - started_);
  // In most cases that is all of it, also where /proc has no lists of children. The leader is not reaped yet,
  // so the group is its own.
  kill(-leader_, SIGKILL);
  end_children();
  while (end_.output.size() < output_size_max && read_output()) {
  }
  int failure = 0;
  if (read(failure_, &failure, sizeof failure) == sizeof failure) fail(failure);
  if (!wanted) return std::nullopt;
  return end_;
}

bool Supervisor::start() {
  int output[2], failure[2];
  if (pipe2(output, O_CLOEXEC) != 0 || pipe2(failure, O_CLOEXEC) != 0) return fail(errno), false;
  leader_ = fork();
  if (leader_ < 0) return fail(errno), false;
  if (leader_ == 0) {
    const int code = execute(program_, output[1]);
    const bool told = write(failure[1], &code, sizeof code) == sizeof code;
    _exit(told ? 127 : 126);
  }
  close(output[1]);
  close(failure[1]);
  output_ = output[0];
  failure_ = failure[0];
  fcntl(output_, F_SETFL, O_NONBLOCK);
  fcntl(failure_, F_SETFL, O_NONBLOCK);
  return true;
}

// Until the program's end or its deadline; false when the runner is gone.
bool Supervisor::watch() {
  const auto deadline = started_ + program_.timeout;
  for (;;) {
    if (getppid() != runner_) return false;
    if (has_ended()) return true;
    const auto left = std::chrono::ceil<Duration>(deadline - Clock::now());
    if (left <= Duration::zero()) break;
    pollfd entries[] = {{signals_, POLLIN, 0}, {output_, POLLIN, 0}};
    poll(entries, 2, static_cast<int>(left.count()));
    if (entries[1].revents != 0) read_output();
    forget_signals(signals_);
  }
  end_.ending = Ending::timed_out;
  return true;
}

// Leaves the leader to be reaped with all others.
bool Supervisor::has_ended() {
  siginfo_t info{};
  const bool known = waitid(P_PID, static_cast<id_t>(leader_), &info, WEXITED | WNOHANG | WNOWAIT) == 0;
  if (!known || info.si_pid == 0) return false;
  end_.ending = info.si_code == CLD_EXITED ? Ending::exited : Ending::killed;
  end_.code = info.si_status;
  return true;
}

// One part of it, of which the beginning is kept. False when there is none now.
bool Supervisor::read_output() {
  static std::array<char, 65536> buffer;  // as much as a pipe holds
  const auto size = output_ < 0 ? 0 : read(output_, buffer.data(), buffer.size());
  if (size > 0) {
    const auto kept = std::min(static_cast<std::size_t>(size), output_size_max - end_.output.size());
    end_.output.append(buffer.data(), kept);
    return true;
  }
  if (size == 0 && output_ >= 0) {
    close(output_);
    output_ = -1;
  }
  return false;
}

// ---- The runner
// ------------------------------------------------------------------------------------------------

class Runner {
 public:
  Runner(int socket, pid_t keeper) : socket_(socket), keeper_(keeper), signals_(take_signals()) {}
  void run();  // until the daemon, or the keeper, is gone

 private:
  // What we know of one supervisor.
  struct Supervised {
    std::uint64_t id = 0;  // of its request
    Duration timeout{};
    Clock::time_point due{};  // it has ended by then, unless it was stopped
    bool was_stopped = false;
  };

  void start(const RunRequest& request);
  void reap();
  void kill_stopped();
  int wait_max() const;

  const int socket_;
  const pid_t keeper_;
  const int signals_;
  std::map<pid_t, Supervised> supervisors_;
};

void Runner::run() {
  bool open = send_message(socket_, Started{});
  while (open && getppid() == keeper_) {
    reap();
    kill_stopped();
    pollfd entries[] = {{socket_, POLLIN, 0}, {signals_, POLLIN, 0}};
    poll(entries, 2, wait_max());
    forget_signals(signals_);
    if (entries[0].revents == 0) continue;
    const auto received = receive_message(socket_);
    open = !received.closed;
    const auto* request = received.message ? std::get_if<RunRequest>(&*received.message) : nullptr;
    if (request != nullptr) start(*request);
  }
  end_children();
}

void Runner::start(const RunRequest& request) {
  const pid_t self = getpid();
  const pid_t supervisor = supervisors_.size() < supervisors_max ? fork() : (errno = EAGAIN, -1);
  if (supervisor == 0) {
    adopt_orphans("sluice-program");
    watch_parent();
    close(signals_);
    const auto end = Supervisor(request.program, self).run();
    if (end) send_message(socket_, RunReply{request.id, *end});
    _exit(0);
  }
  if (supervisor < 0) {
    send_message(socket_, RunReply{request.id, {Ending::not_started, errno, {}, {}}});
  } else {
    const auto due = Clock::now() + request.program.timeout + kill_time_max + supervisor_grace;
    supervisors_[supervisor] = {request.id, request.program.timeout, due, false};
  }
}

void Runner::reap() {
  bool lost = false;
  int status = 0;
  for (pid_t child = 0; (child = waitpid(-1, &status, WNOHANG)) > 0;) {
    const auto found = supervisors_.find(child);
    if (found == supervisors_.end()) continue;  // what a supervisor could not kill in time
    const auto& [id, timeout, due, was_stopped] = found->second;
    // What has stopped the one that watches it has had its time like any other.
    const auto end = was_stopped ? ProgramEnd{Ending::timed_out, 0, {}, timeout} : ProgramEnd{};
    if (status != 0) send_message(socket_, RunReply{id, end});
    lost = lost || status != 0;
    supervisors_.erase(found);
  }
  if (lost) end_children(supervisors_);
}

// A program runs as the same user as its supervisor, and may stop it (SIGSTOP). SIGKILL reaches it all the
// same; what is below it is killed with it, or by reap(). One that is late and not stopped waits for the
// daemon, most likely, which does not take its reply.
void Runner::kill_stopped() {
  const auto now = Clock::now();
  for (auto& [supervisor, supervised] : supervisors_) {
    if (supervised.due > now) continue;
    supervised.due = now + supervisor_grace;  // to look again
    if (!is_stopped(supervisor)) continue;
    supervised.was_stopped = true;
    kill_trees({supervisor});
  }
}

// In ms, for poll(); -1: as long as nothing comes.
int Runner::wait_max() const {
  if (supervisors_.empty()) return -1;
  const auto next =
      std::min_element(supervisors_.begin(), supervisors_.end(), [](const auto& a, const auto& b) {
        return a.second.due < b.second.due;
      })->second.due;
  const auto left = std::chrono::ceil<Duration>(next - Clock::now());
  constexpr Duration longest = 1h;
  return static_cast<int>(std::clamp(left, Duration::zero(), longest).count());
}

// ---- The keeper
// ------------------------------------------------------------------------------------------------

bool become(const Identity& identity) {
  if (geteuid() != 0 || identity.user == 0) return true;
  return setgroups(identity.groups.size(), identity.groups.data()) == 0 && setgid(identity.group) == 0 &&
         setuid(identity.user) == 0;
}

// Signals to the daemon's group are the daemon's: all here end with the socket. Nothing of what the daemon
// has open stays open but the socket, which becomes descriptor 3.
int leave_daemon(int socket) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE}) std::signal(number, SIG_IGN);
  std::signal(SIGCHLD, SIG_DFL);
  setsid();
  constexpr int kept = STDERR_FILENO + 1;
  const int copy = fcntl(socket, F_DUPFD, kept + 1);  // out of the way of those that follow
  const int nothing = open("/dev/null", O_RDWR);
  for (int standard = 0; standard < kept; ++standard) dup2(nothing, standard);
  dup3(copy, kept, O_CLOEXEC);
  close_range(kept + 1, ~0U, 0);
  return chdir("/") == 0 ? kept : -1;
}

[[noreturn]] void run_runner(int socket, pid_t keeper) {
  adopt_orphans("sluice-runner");
  watch_parent();
  Runner(socket, keeper).run();
  _exit(0);
}

// Or until somebody stops it: it is killed then, as it would answer nobody.
void await_end(pid_t runner) {
  int status = 0;
  for (;;) {
    const pid_t changed = waitpid(runner, &status, WUNTRACED);
    if (changed < 0 && errno == EINTR) continue;
    if (changed != runner || !WIFSTOPPED(status)) return;
    kill(runner, SIGKILL);
  }
}

[[noreturn]] void keep_runner(int socket) {
  adopt_orphans("sluice-keeper");
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  socket = leave_daemon(socket);
  const auto received = receive_message(socket);
  const auto* identity = received.message ? std::get_if<Identity>(&*received.message) : nullptr;
  if (identity == nullptr || !become(*identity)) _exit(1);
  do {
    const pid_t self = getpid(), runner = fork();
    if (runner == 0) run_runner(socket, self);
    if (runner > 0) await_end(runner);
    end_children();
  } while (!is_closed_within(socket, restart_pause));
  _exit(0);
}

Error own_error(const char* what) {
  return {ErrorCode::unavailable, fmt::format("{}: {}", what, std::generic_category().message(errno))};
}

// What is sent is bounded by the places for programs, which may be asked for all at once; so many do not fit
// by default. A request that does not fit is one that cannot be run.
void make_room(int socket) {
  constexpr int room = 1 << 20;  // as far as net.core.wmem_max allows
  setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
}

}  // namespace

RunnerProcess::~RunnerProcess() {
  if (socket_ >= 0) close(socket_);
}

Result<RunnerProcess> start_runner() {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0)
    return own_error("cannot make a socket for the runner of programs");
  make_room(sockets[0]);
  std::fflush(nullptr);  // what is buffered is the daemon's to write, and nobody else's
  const pid_t keeper = fork();
  if (keeper == 0) keep_runner(sockets[1]);
  const int failure = errno;
  close(sockets[1]);
  if (keeper > 0) return RunnerProcess(sockets[0], keeper);
  close(sockets[0]);
  errno = failure;
  return own_error("cannot fork the runner of programs");
}

Result<void> begin(const RunnerProcess& runner) {
  Identity identity{geteuid(), getegid(), {}};
  identity.groups.resize(groups_max);
  const int count = getgroups(static_cast<int>(groups_max), identity.groups.data());
  identity.groups.resize(static_cast<std::size_t>(std::max(count, 0)));
  if (count < 0 || !send_message(runner.socket(), identity))
    return own_error("cannot tell the runner of programs whom to become");
  return {};
}

}  // namespace sluice::probe

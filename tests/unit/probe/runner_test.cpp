// The runner as it is: real processes, which are waited for and never left behind.
#include "probe/runner.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "probe/prober.hpp"
#include "probe/runner_client.hpp"
#include "support.hpp"

using namespace sluice;
using namespace sluice::probe;
using namespace std::chrono_literals;

namespace {

// Never reached but by a defect.
constexpr Duration long_timeout = 50s;

// Programs that hang are given so long; all that is asked is that they do not get much more.
constexpr Duration short_timeout = 300ms;

bool wait_until(const std::function<bool()>& done) {
  const auto end = Clock::now() + guard;
  while (!done()) {
    if (Clock::now() >= end) return false;
    poll(nullptr, 0, 2);
  }
  return true;
}

// A process that may end at any time, and whose number is then not mistaken for another's.
class Watched {
 public:
  explicit Watched(pid_t process) : descriptor_(static_cast<int>(syscall(SYS_pidfd_open, process, 0))) {}
  ~Watched() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

  bool ends() const {
    if (descriptor_ < 0) return true;
    pollfd entry{descriptor_, POLLIN, 0};
    return poll(&entry, 1, static_cast<int>(std::chrono::milliseconds(guard).count())) == 1;
  }

 private:
  int descriptor_;
};

class Folder {
 public:
  Folder() {
    auto pattern = (std::filesystem::temp_directory_path() / "sluice-runner-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string path(const std::string& file) const { return (path_ / file).string(); }
  std::string write(const std::string& file, const std::string& text, int mode) const {
    std::ofstream(path(file)) << text;
    REQUIRE(chmod(path(file).c_str(), static_cast<mode_t>(mode)) == 0);
    return path(file);
  }
  // The number in a file that a program writes; waits for it.
  pid_t process_in(const std::string& file) const {
    pid_t process = 0;
    REQUIRE(wait_until([&] {
      std::string line;
      std::ifstream in(path(file));
      if (!std::getline(in, line) || in.eof()) return false;  // not yet whole
      process = std::atoi(line.c_str());
      return true;
    }));
    return process;
  }

 private:
  std::filesystem::path path_;
};

Program shell(const std::string& script, Duration timeout = long_timeout) {
  return {{"/bin/sh", "-c", script}, {}, timeout};
}

// The daemon's side and the runner; at the end, all of it has ended.
class World {
 public:
  World() : runner_(start_runner().value()), keeper_(runner_.process()) {
    REQUIRE(begin(runner_).has_value());
    client.emplace(io.get_executor(), std::move(runner_));
  }
  ~World() {
    client.reset();
    io.restart();
    io.run();
    CHECK(Watched(keeper_).ends());
    waitpid(keeper_, nullptr, 0);
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Starts the program, and calls back at its end.
  void start(Program program, std::function<void(Result<ProgramEnd>)> done,
             Purpose purpose = Purpose::check) {
    asio::co_spawn(io, await_end(*client, purpose, std::move(program), std::move(done)), asio::detached);
  }
  void run_until(const std::function<bool()>& done) { probe::run_until(io, done); }
  Result<ProgramEnd> run(Program program) {
    std::optional<Result<ProgramEnd>> end;
    start(std::move(program), [&](Result<ProgramEnd> its_end) { end = std::move(its_end); });
    run_until([&] { return end.has_value(); });
    return *end;
  }
  // The runner itself: the keeper's one child.
  pid_t runner() const {
    pid_t process = 0;
    REQUIRE(wait_until([&] {
      std::ifstream in(fmt::format("/proc/{0}/task/{0}/children", keeper_));
      return static_cast<bool>(in >> process);
    }));
    return process;
  }
  pid_t keeper() const { return keeper_; }

  asio::io_context io;
  std::optional<RunnerClient> client;

 private:
  static asio::awaitable<void> await_end(RunnerClient& runner, Purpose purpose, Program program,
                                         std::function<void(Result<ProgramEnd>)> done) {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    auto end = co_await runner.run(purpose, std::move(program), timer);
    done(std::move(end));
  }

  RunnerProcess runner_;
  pid_t keeper_;
};

}  // namespace

TEST_CASE("how programs end") {
  const Folder folder;
  const auto file = folder.write("no-program", "#!/bin/sh\nexit 0\n", 0644);
  const auto script = folder.write("program", "#!/bin/sh\necho \"$1\"\nexit 4\n", 0755);
  const auto garbage = folder.write("garbage",
                                    "\x7F"
                                    "ELF no program",
                                    0755);
  struct Row {
    const char* name;
    Program program;
    Ending ending;
    int code;
    std::string output;
  };
  const Row rows[] = {
      {"success", shell("exit 0"), Ending::exited, 0, ""},
      {"output of both kinds", shell("echo out; echo err >&2; exit 3"), Ending::exited, 3, "out\nerr\n"},
      {"a script", {{script, "an argument"}, {}, long_timeout}, Ending::exited, 4, "an argument\n"},
      {"killed by itself", shell("kill -9 $$"), Ending::killed, SIGKILL, ""},
      {"nothing to read", shell("cat; echo end"), Ending::exited, 0, "end\n"},
      {"the folder is /", shell("pwd"), Ending::exited, 0, "/\n"},
      {"signals are as they are by default", shell("kill -PIPE $$; echo survived"), Ending::killed, SIGPIPE,
       ""},
      {"invalid UTF-8 and escape codes", shell("printf '\\377\\033[31m\\000x'"), Ending::exited, 0,
       std::string("\377\033[31m\0x", 8)},
      {"no core", shell("ulimit -c"), Ending::exited, 0, "0\n"},
      {"hangs", shell("echo waiting; exec sleep 1000", 2s), Ending::timed_out, 0, "waiting\n"},
      {"hangs with closed output", shell("exec >&- 2>&-; exec sleep 1000", short_timeout), Ending::timed_out,
       0, ""},
      {"does not mind SIGTERM", shell("trap '' TERM; while :; do sleep 1000; done", short_timeout),
       Ending::timed_out, 0, ""},
      {"stops itself", shell("kill -STOP $$", short_timeout), Ending::timed_out, 0, ""},
      {"does not exist", {{"/nonexistent/program"}, {}, long_timeout}, Ending::not_started, ENOENT, ""},
      {"must not be executed", {{file}, {}, long_timeout}, Ending::not_started, EACCES, ""},
      {"is no program", {{garbage}, {}, long_timeout}, Ending::not_started, ENOEXEC, ""},
      {"is a folder", {{"/"}, {}, long_timeout}, Ending::not_started, EACCES, ""},
  };
  World world;
  for (const auto& row : rows) {
    CAPTURE(row.name);
    const auto end = world.run(row.program);
    REQUIRE(end.has_value());
    CHECK(end->ending == row.ending);
    CHECK(end->code == row.code);
    CHECK(end->output == row.output);
    if (row.ending == Ending::timed_out) CHECK(end->took >= short_timeout);
    CHECK(end->took < long_timeout);
  }
}

TEST_CASE("a program has the environment that is documented, and no descriptor of ours") {
  World world;
  auto program = shell("env | sort; ls /proc/self/fd");
  program.environment = {"SLUICE_ADDRESS=192.0.2.1", "SLUICE_CHECK=db"};
  setenv("SLUICE_TEST_SECRET", "hush", 1);
  const auto end = world.run(program);
  unsetenv("SLUICE_TEST_SECRET");
  REQUIRE(end.has_value());
  const std::string path = std::getenv("PATH");
  // 3 is how ls reads the folder; PWD is the shell's.
  CHECK(end->output ==
        "LANG=C.UTF-8\nPATH=" + path + "\nPWD=/\nSLUICE_ADDRESS=192.0.2.1\nSLUICE_CHECK=db\n0\n1\n2\n3\n");
}

TEST_CASE("a flood of output is thrown away, and the result is right") {
  World world;
  const auto end = world.run(shell("head -c 30000000 /dev/zero | tr '\\0' x; exit 5"));
  REQUIRE(end.has_value());
  CHECK(end->ending == Ending::exited);
  CHECK(end->code == 5);
  CHECK(end->output == std::string(output_size_max, 'x'));
  const auto endless = world.run(shell("exec yes", 2s));
  REQUIRE(endless.has_value());
  CHECK(endless->ending == Ending::timed_out);
  CHECK(endless->output.size() == output_size_max);
}

TEST_CASE("what a program leaves behind is killed at its end") {
  struct Row {
    const char* name;
    std::string script;  // writes the number of a process to the file $F, and ends or hangs
    Ending ending;
  };
  const Row rows[] = {
      {"a child that holds the pipe", "sleep 1000 & echo $! >$F", Ending::exited},
      {"a child without the pipe", "sleep 1000 >/dev/null 2>&1 & echo $! >$F", Ending::exited},
      {"a session of its own",
       "setsid sh -c 'echo $$ >$F; exec sleep 1000' & while [ ! -s $F ]; do sleep 0.01; done",
       Ending::exited},
      {"a daemon",
       "(setsid sh -c 'setsid sh -c \"echo \\$\\$ >$F; exec sleep 1000\" & exit' &) ; while [ ! -s $F ]; do "
       "sleep "
       "0.01; done",
       Ending::exited},
      {"a child that ignores signals",
       "sh -c 'trap \"\" TERM HUP INT; echo $$ >$F; while :; do sleep 1000; done' & "
       "while [ ! -s $F ]; do sleep 0.01; done",
       Ending::exited},
      {"a session of its own, at the deadline", "setsid sh -c 'echo $$ >$F; exec sleep 1000' & wait",
       Ending::timed_out},
  };
  World world;
  for (const auto& row : rows) {
    CAPTURE(row.name);
    const Folder folder;
    // The deadline has to leave time for a slow machine to get as far as the file.
    auto program = shell(row.script, row.ending == Ending::timed_out ? Duration(3s) : long_timeout);
    program.environment.push_back("F=" + folder.path("process"));
    const auto end = world.run(program);
    REQUIRE(end.has_value());
    CHECK(end->ending == row.ending);
    const pid_t process = folder.process_in("process");
    // Its parent has reaped it before it replied.
    CHECK(kill(process, 0) != 0);
    CHECK(errno == ESRCH);
  }
}

TEST_CASE("processes that replace themselves again and again are killed") {
  const Folder folder;
  World world;
  auto program = shell("sh -c \"$NEXT\" & while [ ! -s $F ]; do sleep 0.01; done");
  // They end when the folder is gone, so that a defect does not outlive the test.
  program.environment = {"NEXT=[ -d $(dirname $F) ] && setsid sh -c \"$NEXT\" & echo $$ >$F",
                         "F=" + folder.path("process")};
  const auto end = world.run(program);
  REQUIRE(end.has_value());
  CHECK(end->ending == Ending::exited);
  // The supervisor ends after its reply; then there is nothing below the runner.
  CHECK(wait_until([runner = world.runner()] {
    pid_t below = 0;
    std::ifstream in(fmt::format("/proc/{0}/task/{0}/children", runner));
    return !(in >> below);
  }));
}

TEST_CASE("more programs than may run at once wait for their turn") {
  World world;
  std::vector<Result<ProgramEnd>> ends;
  constexpr std::size_t count = 3 * programs_open_max;
  for (std::size_t i = 0; i < count; ++i)
    world.start(shell(fmt::format("exit {}", i % 7)),
                [&](Result<ProgramEnd> end) { ends.push_back(std::move(end)); });
  world.run_until([&] { return ends.size() == count; });
  int sum = 0, expected = 0;
  for (std::size_t i = 0; i < count; ++i) {
    REQUIRE(ends[i].has_value());
    CHECK(ends[i]->ending == Ending::exited);
    sum += ends[i]->code;
    expected += static_cast<int>(i % 7);
  }
  CHECK(sum == expected);
}

TEST_CASE("programs of one purpose keep none of another waiting") {
  World world;
  for (std::size_t i = 0; i < programs_open_max; ++i)
    for (const auto purpose : {Purpose::analysis, Purpose::hook})
      world.start(
          shell("exec sleep 1000"), [](const Result<ProgramEnd>&) {}, purpose);
  const auto check = world.run(shell("exit 5"));
  REQUIRE(check.has_value());
  CHECK(check->code == 5);
}

TEST_CASE("when the daemon goes, all programs go") {
  const Folder folder;
  std::optional<Watched> leader, grandchild;
  {
    World world;
    auto program = shell("echo $$ >$F.leader; setsid sh -c 'echo $$ >$F; exec sleep 1000' & wait");
    program.environment.push_back("F=" + folder.path("process"));
    world.start(program, [](const Result<ProgramEnd>& end) { CHECK(end.has_error()); });
    world.io.restart();
    world.io.poll();
    grandchild.emplace(folder.process_in("process"));
    leader.emplace(folder.process_in("process.leader"));
  }
  CHECK(leader->ends());
  CHECK(grandchild->ends());
}

TEST_CASE("a runner that was killed is started anew, and its programs are gone") {
  const Folder folder;
  World world;
  auto program = shell("setsid sh -c 'echo $$ >$F; exec sleep 1000' & wait");
  program.environment.push_back("F=" + folder.path("process"));
  std::optional<Result<ProgramEnd>> end;
  world.start(program, [&](Result<ProgramEnd> its_end) { end = std::move(its_end); });
  world.io.restart();
  world.io.poll();
  const Watched grandchild(folder.process_in("process"));
  REQUIRE(kill(world.runner(), SIGKILL) == 0);
  world.run_until([&] { return end.has_value(); });
  REQUIRE((*end).has_error());
  CHECK(end->error().code == ErrorCode::unavailable);
  CHECK(grandchild.ends());
  const auto next = world.run(shell("exit 6"));
  REQUIRE(next.has_value());
  CHECK(next->code == 6);
}

TEST_CASE("a program that is not wanted any more when its turn comes is not started") {
  const Folder folder;
  World world;
  auto program = shell("echo started >$F");
  program.environment.push_back("F=" + folder.path("file"));
  std::optional<Result<ProgramEnd>> end;
  const auto run = [&]() -> asio::awaitable<void> {
    asio::steady_timer timer(world.io);
    std::function<bool()> is_wanted = [] { return false; };
    end = co_await world.client->run(Purpose::check, std::move(program), timer, std::move(is_wanted));
  };
  asio::co_spawn(world.io, run(), asio::detached);
  world.run_until([&] { return end.has_value(); });
  CHECK((*end).has_error());
  CHECK(world.run(shell("exit 0"))->ending == Ending::exited);  // the place is free again
  CHECK_FALSE(std::filesystem::exists(folder.path("file")));
}

TEST_CASE("a supervisor that was killed loses its program, and no other") {
  const Folder folder;
  World world;
  std::optional<Result<ProgramEnd>> lost, other;
  // The parent of the program is its supervisor.
  auto program = shell("setsid sleep 1000 & echo $! >$F; kill -9 $PPID; sleep 1000");
  program.environment.push_back("F=" + folder.path("process"));
  const auto go_on = folder.path("go-on");
  auto waiting = shell("while [ ! -e $F ]; do sleep 0.01; done; exit 7");
  waiting.environment.push_back("F=" + go_on);
  world.start(waiting, [&](Result<ProgramEnd> end) { other = std::move(end); });
  world.start(program, [&](Result<ProgramEnd> end) { lost = std::move(end); });
  world.run_until([&] { return lost.has_value(); });
  REQUIRE((*lost).has_value());
  CHECK(lost->value().ending == Ending::lost);
  CHECK(Watched(folder.process_in("process")).ends());
  CHECK_FALSE(other);
  std::ofstream(go_on) << "now";
  world.run_until([&] { return other.has_value(); });
  REQUIRE((*other).has_value());
  CHECK(other->value().code == 7);
}

TEST_CASE("a program that stops its supervisor has its deadline like any other") {
  const Folder folder;
  World world;
  auto program = shell("echo $$ >$F; kill -STOP $PPID; exec sleep 1000", short_timeout);
  program.environment.push_back("F=" + folder.path("process"));
  const auto end = world.run(program);
  REQUIRE(end.has_value());
  CHECK(end->ending == Ending::timed_out);
  CHECK(end->took == short_timeout);
  CHECK(Watched(folder.process_in("process")).ends());
  CHECK(wait_until([runner = world.runner()] {
    pid_t below = 0;
    std::ifstream in(fmt::format("/proc/{0}/task/{0}/children", runner));
    return !(in >> below);
  }));
  const auto next = world.run(shell("exit 6"));
  REQUIRE(next.has_value());
  CHECK(next->code == 6);
}

namespace {

// A program that runs, and ends after the test only.
struct Sleeping {
  Sleeping() {
    auto program = shell("echo $$ >$F; exec sleep 1000");
    program.environment.push_back("F=" + folder.path("process"));
    world.start(program, [this](Result<ProgramEnd> its_end) { end = std::move(its_end); });
    world.io.restart();
    world.io.poll();
    process.emplace(folder.process_in("process"));
  }

  Folder folder;
  World world;
  std::optional<Result<ProgramEnd>> end;
  std::optional<Watched> process;
};

}  // namespace

TEST_CASE("a runner that was stopped is started anew, and its programs are gone") {
  Sleeping sleeping;
  auto& [folder, world, end, process] = sleeping;
  REQUIRE(kill(world.runner(), SIGSTOP) == 0);
  world.run_until([&] { return end.has_value(); });
  REQUIRE((*end).has_error());
  CHECK(end->error().code == ErrorCode::unavailable);
  CHECK(process->ends());
  const auto next = world.run(shell("exit 6"));
  REQUIRE(next.has_value());
  CHECK(next->code == 6);
}

TEST_CASE("without a runner a program cannot be run, and nobody hangs") {
  Sleeping sleeping;
  auto& [folder, world, end, process] = sleeping;
  REQUIRE(kill(world.keeper(), SIGKILL) == 0);
  world.run_until([&] { return end.has_value(); });
  CHECK((*end).has_error());
  CHECK(process->ends());
  const auto next = world.run(shell("exit 0"));
  REQUIRE(next.has_error());
  CHECK(next.error().code == ErrorCode::unavailable);
}

TEST_CASE("malformed messages end nobody") {
  auto runner = start_runner().value();
  REQUIRE(begin(runner).has_value());
  const int socket = runner.socket();
  const auto next_message = [&] {
    static std::array<char, message_size_max> buffer;
    pollfd entry{socket, POLLIN, 0};
    REQUIRE(poll(&entry, 1, static_cast<int>(std::chrono::milliseconds(guard).count())) == 1);
    const auto size = recv(socket, buffer.data(), buffer.size(), 0);
    REQUIRE(size > 0);
    return decode({buffer.data(), static_cast<std::size_t>(size)});
  };
  CHECK(next_message() == Message{Started{}});
  const std::string bad[] = {"x",
                             std::string(1000, '\1'),
                             std::string(message_size_max + 1, '\1'),
                             *encode(Started{}),
                             *encode(Identity{}),
                             *encode(RunReply{}),
                             encode(RunRequest{1, shell("")})->substr(0, 30)};
  for (const auto& octets : bad) REQUIRE(send(socket, octets.data(), octets.size(), 0) > 0);
  const auto good = *encode(RunRequest{2, shell("exit 8")});
  REQUIRE(send(socket, good.data(), good.size(), 0) > 0);
  const auto message = next_message();
  REQUIRE(message);
  const auto* reply = std::get_if<RunReply>(&*message);
  REQUIRE(reply != nullptr);
  CHECK(reply->id == 2);
  CHECK(reply->end.code == 8);
  const pid_t keeper = runner.process();
  { const auto ended = std::move(runner); }
  CHECK(Watched(keeper).ends());
  waitpid(keeper, nullptr, 0);
}

namespace {

Target exec_target(std::string name, std::string script) {
  Target target;
  target.destination = *parse_address("192.0.2.1");
  target.check.name = std::move(name);
  target.check.type = config::CheckType::exec;
  target.check.interval = 10min;
  target.check.timeout = long_timeout;
  target.check.command = {"/bin/sh", "-c", std::move(script)};
  return target;
}

// A prober with a runner; at the end, all of it has ended.
class ProbingWorld {
 public:
  ProbingWorld(OnResult on_result, OnTrouble on_trouble)
      : prober(io.get_executor(), std::move(on_result), std::move(on_trouble)) {
    auto runner = start_runner().value();
    keeper_ = runner.process();
    REQUIRE(begin(runner).has_value());
    client_ = std::make_shared<RunnerClient>(io.get_executor(), std::move(runner));
    prober.set_runner(client_);
  }
  ~ProbingWorld() {
    prober.stop();
    client_->stop();
    io.restart();
    io.run();
    CHECK(Watched(keeper_).ends());
    waitpid(keeper_, nullptr, 0);
  }
  ProbingWorld(const ProbingWorld&) = delete;
  ProbingWorld& operator=(const ProbingWorld&) = delete;

  void run_until(const std::function<bool()>& done) { probe::run_until(io, done); }

  asio::io_context io;
  Prober prober;

 private:
  std::shared_ptr<RunnerClient> client_;
  pid_t keeper_ = 0;
};

}  // namespace

TEST_CASE("programs that hang keep no other probe waiting") {
  const Folder folder;
  std::vector<std::string> probed;
  ProbingWorld world(
      [&](const Target& target, const health::ProbeResult&) { probed.push_back(target.check.name); }, {});
  std::vector<Target> targets;
  for (std::size_t i = 0; i < probes_open_max + 2; ++i) {
    auto hanging = exec_target(std::to_string(i), "sleep 1000");
    hanging.check.interval = 1ms;  // no wait for the first probe
    targets.push_back(std::move(hanging));
  }
  world.prober.set_targets(targets);
  auto other = exec_target("other", "");
  other.check.type = config::CheckType::tcp;
  other.destination = *parse_address("127.0.0.1");
  other.check.port = 1;
  targets.push_back(other);
  world.prober.set_targets(targets);
  world.run_until([&] { return !probed.empty(); });
  CHECK(probed.front() == "other");
}

TEST_CASE("a program that ends its supervisor again and again fails; once may be chance") {
  std::vector<std::string> said;
  ProbingWorld world([&](const Target&, const health::ProbeResult& result) { said.push_back(result.detail); },
                     [&](const Target&, const std::string& reason) { said.push_back(reason); });
  auto target = exec_target("db", "kill -9 $PPID; sleep 1000");
  target.check.interval = 20ms;
  world.prober.set_targets({target});
  world.run_until([&] { return said.size() >= 3; });
  CHECK(said[0] == "the process that watched the program was killed");
  CHECK(said[1] == "the program ended its supervisor");
  CHECK(said[2] == "the program ended its supervisor");
}

TEST_CASE("the prober runs exec checks, and says when it cannot") {
  Target target;
  target.destination = *parse_address("192.0.2.1");
  target.check.name = "db";
  target.check.type = config::CheckType::exec;
  target.check.interval = 10min;
  target.check.timeout = 10s;
  target.check.port = 5432;
  target.check.command = {"/bin/sh", "-c", "echo $SLUICE_CHECK at $SLUICE_ADDRESS port $SLUICE_PORT; exit 1"};
  asio::io_context io;
  auto runner = start_runner().value();
  const pid_t keeper = runner.process();
  REQUIRE(begin(runner).has_value());
  const auto client = std::make_shared<RunnerClient>(io.get_executor(), std::move(runner));
  std::vector<health::ProbeResult> results;
  Prober without(io.get_executor(),
                 [](const Target&, const health::ProbeResult&) { FAIL("there is no runner"); });
  Prober prober(io.get_executor(),
                [&](const Target&, const health::ProbeResult& result) { results.push_back(result); });
  prober.set_runner(client);
  without.set_targets({target});
  prober.set_targets({target});
  run_until(io, [&] { return !results.empty(); });
  CHECK(results.size() == 1);
  CHECK_FALSE(results[0].success);
  CHECK(results[0].detail == "exit status 1: db at 192.0.2.1 port 5432");
  prober.stop();
  without.stop();
  client->stop();
  io.restart();
  io.run();  // nothing is left to do
  CHECK(Watched(keeper).ends());
  waitpid(keeper, nullptr, 0);
}

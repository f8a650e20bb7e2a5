// The daemon: wiring only. Reads the config, binds, drops privileges, starts the threads, and waits for
// signals.
//
//   main thread      signals, probes, admin API          ("edge")
//   control thread   the director: model, store, publication
//   UDP workers      one per core and listen address, and one thread each for TCP and TLS
//
// Beside it there is the runner, a process that starts the programs of exec checks.
#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <malloc.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "admin/server.hpp"
#include "base/diagnostic.hpp"
#include "base/log.hpp"
#include "control/director.hpp"
#include "control/load.hpp"
#include "control/publisher.hpp"
#include "probe/fetcher.hpp"
#include "probe/measurer.hpp"
#include "probe/prober.hpp"
#include "probe/runner.hpp"
#include "probe/runner_client.hpp"
#include "serve/sockets.hpp"
#include "serve/tcp.hpp"
#include "serve/thread.hpp"
#include "serve/udp.hpp"
#include "store/store.hpp"

namespace sluice {
namespace {

namespace asio = boost::asio;

// What the start may take beside the first round of checks.
constexpr Duration start_grace = std::chrono::seconds(5);

struct Arguments {
  std::string config, check;
  bool verbose = false;
};

// What cannot go on: printed by main as one line.
struct Fatal : std::runtime_error {
  using runtime_error::runtime_error;
};

unsigned worker_count(const config::Server& server) {
  return server.workers != 0 ? server.workers : std::max(1U, std::thread::hardware_concurrency());
}

// What keeps the daemon from starting is collected, so that all of it is shown at once.
class StartErrors {
 public:
  explicit StartErrors(std::string file) : file_(std::move(file)) {}
  void add(Position at, std::string message) { errors_.push_back({file_, at, std::move(message)}); }
  void throw_if_any() const {
    if (!errors_.empty()) throw Fatal(to_text(errors_));
  }

 private:
  std::string file_;
  Diagnostics errors_;
};

// `section` has listen and listen_at; `bind` makes a listener of an address.
template <class Section, class Bind>
std::vector<serve::Listener> bind_listeners(const Section& section, StartErrors& errors, Bind bind) {
  std::vector<serve::Listener> listeners;
  for (std::size_t i = 0; i < section.listen.size(); ++i) {
    auto listener = bind(section.listen[i]);
    if (listener) {
      listeners.push_back(std::move(*listener));
    } else {
      errors.add(section.listen_at[i], listener.error().message);
    }
  }
  return listeners;
}

struct User {
  std::string name;
  uid_t uid;
  gid_t gid;
};

// Whom to become: nobody else unless we are root and the config says so.
std::optional<User> user_to_become(const config::Server& server, StartErrors& errors) {
  if (server.user.empty() || geteuid() != 0) return {};
  const auto* entry = getpwnam(server.user.c_str());
  if (entry == nullptr) {
    errors.add({}, fmt::format("user: there is no user '{}' on this machine", server.user));
    return {};
  }
  return User{server.user, entry->pw_uid, entry->pw_gid};
}

std::string system_message() { return std::generic_category().message(errno); }

// Root follows no link that somebody else has put in its way.
bool is_planted_link(const std::string& path) {
  struct stat status {};
  return geteuid() == 0 && lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode) && status.st_uid != 0;
}

// The state folder belongs to the user that will write it; an existing one is left as it is. False when there
// is none that can be used, whatever is to stand in it.
bool make_state_folder(const std::string& folder, const std::optional<User>& user, StartErrors& errors) {
  const auto fail = [&](std::string message) {
    return errors.add({}, "state: " + std::move(message)), false;
  };
  if (mkdir(folder.c_str(), 0700) != 0) {
    struct stat existing {};
    const bool usable = errno == EEXIST && stat(folder.c_str(), &existing) == 0 && S_ISDIR(existing.st_mode);
    if (!usable) return fail(fmt::format("cannot make the folder {}: {}", folder, system_message()));
    if (is_planted_link(folder)) return fail(fmt::format("{} is a symbolic link that is not root's", folder));
    return true;
  }
  if (user && lchown(folder.c_str(), user->uid, user->gid) != 0)
    return fail(fmt::format("cannot give the folder {} to {}: {}", folder, user->name, system_message()));
  return true;
}

// Gives the socket to the user, and nothing else that may stand at its path by now: that user may own the
// folder, and have put a hard link to a file of ours there.
bool give_socket(const std::string& path, const User& user) {
  const serve::Descriptor file(open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (file.get() < 0 || fstat(file.get(), &status) != 0) return false;
  if (!S_ISSOCK(status.st_mode) || status.st_nlink != 1) return errno = EEXIST, false;
  return fchownat(file.get(), "", user.uid, user.gid, AT_EMPTY_PATH) == 0;
}

void bind_admin(admin::Server& admin, const config::Admin& config, const std::optional<User>& user,
                StartErrors& errors) {
  if (const auto bound = admin.listen_unix(config.socket); !bound) {
    errors.add({}, bound.error().message);
  } else if (user && !give_socket(config.socket, *user)) {
    errors.add({}, fmt::format("cannot give {} to {}: {}", config.socket, user->name, system_message()));
  }
  if (!config.http) return;
  if (const auto bound = admin.listen_tcp(*config.http); !bound)
    errors.add(config.http_at, bound.error().message);
}

void become(const User& user) {
  if (initgroups(user.name.c_str(), user.gid) != 0 || setgid(user.gid) != 0 || setuid(user.uid) != 0)
    throw Fatal(fmt::format("sluiced: cannot become user {}: {}\n", user.name, system_message()));
}

// A reload reads them again, as the user that we have become.
void check_readable(const config::Config& config, const User& user, StartErrors& errors) {
  const auto check = [&](const char* key, const std::string& file, Position at) {
    if (!file.empty() && access(file.c_str(), R_OK) != 0)
      errors.add(at, fmt::format("{}: user '{}', which runs the daemon, cannot read {}: {}", key, user.name,
                                 file, system_message()));
  };
  for (const auto& zone : config.zones) check("file", zone.file, zone.at);
  for (const auto& key : config.keys) check("secret_file", key.secret_file, key.secret_file_at);
  for (const auto& each : config.checks) {
    check("ca", each.ca, each.ca_at);
    check("token_file", each.token_file, each.token_file_at);
  }
  for (const auto& each : config.analyses) check("ca", each.ca, each.ca_at);
  for (const auto& each : config.receivers) {
    check("ca", each.ca, each.ca_at);
    check("secret_file", each.secret_file, each.secret_file_at);
  }
  check("secrets", config.cookies.secrets, config.cookies.secrets_at);
  if (!config.tls) return;
  check("certificate", config.tls->certificate, config.tls->certificate_at);
  check("key", config.tls->key, config.tls->key_at);
}

// Connections cost descriptors: as many as we may have. Returns how many those are.
std::size_t raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

serve::TcpLimits tcp_limits(const config::Config& config) {
  serve::TcpLimits limits;
  limits.client_connections = config.tcp.client_connections;
  limits.idle = config.tcp.idle;
  const std::size_t listening = config.server.listen.size() * (worker_count(config.server) + 1) +
                                (config.tls ? config.tls->listen.size() : 0);
  const auto possible = serve::connections_within(raise_descriptor_limit(), listening, config.tls ? 2 : 1);
  limits.connections = std::min<std::size_t>(config.tcp.connections, possible);
  if (limits.connections < config.tcp.connections)
    logger().warn(
        "{} connections of the {} that tcp.connections says: the limit of open files allows no more",
        limits.connections, config.tcp.connections);
  return limits;
}

template <class T>
T value_or_fatal(Result<T> result) {
  if (!result) throw Fatal("sluiced: " + result.error().message + "\n");
  return std::move(*result);
}

// systemd would end a service that takes its time to start.
void extend_start(Duration time) {
  const auto limit = std::chrono::microseconds(time + start_grace);
  sd_notify(0, fmt::format("EXTEND_TIMEOUT_USEC={}", limit.count()).c_str());
}

class Daemon {
 public:
  Daemon(control::Loaded loaded, std::optional<probe::RunnerProcess> runner);
  void run();

 private:
  using OnProgramEnd = std::function<void(Result<probe::ProgramEnd>)>;

  using Fetching = std::function<void(probe::WebRequest, probe::OnFetched)>;

  Fetching fetching(probe::Fetcher& fetcher);
  control::Outlets outlets();
  asio::awaitable<void> run_program(probe::Program program, OnProgramEnd done);
  void start_probes(std::optional<probe::RunnerProcess> runner);
  void report(control::Probed probed);
  void serve();
  void await_signals();
  void reload();
  void stop();

  const config::Config config_;
  const serve::TcpLimits tcp_limits_;
  std::vector<serve::Listener> listeners_, tls_listeners_;
  std::vector<std::string> listen_;
  Published<answer::Snapshot> published_;
  Published<serve::Certificate> certificate_;
  Quiescence quiescence_;
  Counters counters_;

  asio::io_context edge_{1};
  asio::io_context control_{1};
  asio::signal_set signals_{edge_, SIGTERM, SIGINT, SIGHUP};
  admin::Server admin_;
  std::optional<control::Director> director_;
  std::shared_ptr<probe::RunnerClient> runner_;
  std::optional<probe::Prober> prober_;
  std::vector<control::Probed> probed_;  // and not yet reported
  probe::Measurer measurer_{edge_.get_executor()};
  // Apart: hooks that hang for minutes do not keep receivers from being told.
  probe::Fetcher hook_caller_{edge_.get_executor()}, teller_{edge_.get_executor()};
  std::optional<serve::UdpServer> udp_;
  std::optional<serve::TcpServer> tcp_, tls_;
  bool stopping_ = false;
};

Daemon::Daemon(control::Loaded loaded, std::optional<probe::RunnerProcess> runner)
    : config_(loaded.config),
      tcp_limits_(tcp_limits(config_)),
      admin_(edge_.get_executor(), [this](control::Request request, control::ReplyHandler handler) {
        director_->submit(std::move(request), std::move(handler));
      }) {
  StartErrors errors(config_.file);
  listeners_ = bind_listeners(config_.server, errors, [this](const SocketAddress& address) {
    return serve::listen(address, worker_count(config_.server));
  });
  if (config_.tls) tls_listeners_ = bind_listeners(*config_.tls, errors, serve::listen_tls);
  for (const auto& listener : listeners_) listen_.push_back(to_text(listener.address));
  for (const auto& listener : tls_listeners_) listen_.push_back("tls:" + to_text(listener.address));
  const auto user = user_to_become(config_.server, errors);
  if (make_state_folder(config_.server.state, user, errors)) bind_admin(admin_, config_.admin, user, errors);
  errors.throw_if_any();
  if (user) become(*user);
  if (user) check_readable(config_, *user, errors);
  errors.throw_if_any();
  certificate_.publish(loaded.certificate);

  auto store = value_or_fatal(store::Store::open(config_.server.state));
  const auto saved = value_or_fatal(store.load());
  director_.emplace(control_.get_executor(), std::move(loaded), std::move(store), saved, outlets());
  start_probes(std::move(runner));
}

void Daemon::start_probes(std::optional<probe::RunnerProcess> runner) {
  prober_.emplace(
      edge_.get_executor(),
      [this](const probe::Target& target, const health::ProbeResult& result) {
        report({target, result});
      },
      [this](const probe::Target& target, const std::string& reason) {
        report({target, Error{ErrorCode::unavailable, reason}});
      });
  if (!runner) return;
  if (const auto begun = probe::begin(*runner); !begun) return logger().error("{}", begun.error().message);
  runner_ = std::make_shared<probe::RunnerClient>(edge_.get_executor(), std::move(*runner));
  prober_->set_runner(runner_);
  measurer_.set_runner(runner_);
}

// What comes in one turn of the event loop goes to the control thread together, so that it wakes up once.
void Daemon::report(control::Probed probed) {
  probed_.push_back(std::move(probed));
  if (probed_.size() > 1) return;
  asio::post(edge_, [this] { director_->take_probes(std::exchange(probed_, {})); });
}

Daemon::Fetching Daemon::fetching(probe::Fetcher& fetcher) {
  return [this, &fetcher](probe::WebRequest request, probe::OnFetched done) {
    asio::post(edge_, [this, &fetcher, request = std::move(request), done = std::move(done)]() mutable {
      if (!stopping_) fetcher.fetch(std::move(request), std::move(done));
    });
  };
}

control::Outlets Daemon::outlets() {
  return {.published = published_,
          .certificate = certificate_,
          .quiescence = quiescence_,
          .counters = counters_,
          .listen = listen_,
          .set_targets =
              [this](std::vector<probe::Target> targets) {
                asio::post(edge_, [this, targets = std::move(targets)] {
                  if (!stopping_) prober_->set_targets(targets);
                });
              },
          .probe_now =
              [this](const probe::Target& target, std::function<void(Result<health::ProbeResult>)> done) {
                asio::post(edge_, [this, target, done = std::move(done)]() mutable {
                  if (!stopping_) return prober_->probe_now(target, std::move(done));
                  done(Error{ErrorCode::unavailable, "the daemon is stopping"});
                });
              },
          .ready = [this] { asio::post(edge_, [this] { serve(); }); },
          .waits = extend_start,
          .run_program =
              [this](probe::Program program, OnProgramEnd done) {
                asio::post(edge_, [this, program = std::move(program), done = std::move(done)]() mutable {
                  asio::co_spawn(edge_, run_program(std::move(program), std::move(done)), asio::detached);
                });
              },
          .call_hook = fetching(hook_caller_),
          .tell = fetching(teller_),
          .measure =
              [this](probe::Question question, probe::OnMeasured done) {
                asio::post(edge_, [this, question = std::move(question), done = std::move(done)]() mutable {
                  if (!stopping_) measurer_.measure(std::move(question), std::move(done));
                });
              }};
}

// A program that ends because we stop has no end that means anything.
asio::awaitable<void> Daemon::run_program(probe::Program program, OnProgramEnd done) {
  Result<probe::ProgramEnd> end = Error{ErrorCode::unavailable, "there is no process that runs programs"};
  asio::steady_timer timer(edge_);
  if (runner_ && !stopping_) end = co_await runner_->run(probe::Purpose::hook, std::move(program), timer);
  if (!stopping_) done(std::move(end));
}

void Daemon::run() {
  auto work = asio::make_work_guard(control_);
  auto control_thread = serve::start_thread("control", [this] { control_.run(); });
  await_signals();
  admin_.start();
  director_->start();
  edge_.run();
  director_->stop();
  work.reset();
  control_thread.join();
}

// From here on queries are answered; those that came before have waited in the sockets.
void Daemon::serve() {
  if (stopping_) return;
  const serve::Context context{published_, quiescence_, counters_};
  udp_.emplace(context, listeners_, worker_count(config_.server));
  tcp_.emplace(context, listeners_, tcp_limits_);
  if (config_.tls) tls_.emplace(context, tls_listeners_, tcp_limits_, &certificate_);
  std::string line = "ready";
  for (const auto& address : listen_) line += " " + address;
  std::cout << line << std::endl;
  sd_notify(0, "READY=1");
}

void Daemon::await_signals() {
  signals_.async_wait([this](boost::system::error_code error, int signal) {
    if (error) return;
    if (signal != SIGHUP) return stop();
    reload();
    await_signals();
  });
}

void Daemon::reload() {
  control::Request request;
  request.id = control::CommandId::reload;
  request.who = "SIGHUP";
  director_->submit(std::move(request), [](const control::Reply& reply) {
    if (!reply) logger().error("not reloaded:\n{}", reply.error().message);
  });
}

// Ends what the edge has to do, so that edge_.run() returns.
void Daemon::stop() {
  logger().info("stopping");
  sd_notify(0, "STOPPING=1");
  stopping_ = true;
  udp_.reset();
  tcp_.reset();
  tls_.reset();
  prober_->stop();
  measurer_.stop();
  hook_caller_.stop();
  teller_.stop();
  if (runner_) runner_->stop();
  admin_.stop();
}

Arguments parse_arguments(int argc, char** argv, std::optional<int>& exit_code) {
  Arguments arguments;
  CLI::App app("sluiced: an authoritative DNS server that steers traffic", "sluiced");
  auto* config = app.add_option("--config", arguments.config, "Serve what this file says")->type_name("FILE");
  auto* check = app.add_option("--check", arguments.check, "Check this config and its zones, and end")
                    ->type_name("FILE");
  config->excludes(check);
  app.add_flag("--verbose", arguments.verbose, "Log more");
  app.set_version_flag("--version", std::string("sluiced ") + SLUICE_VERSION);
  try {
    app.parse(argc, argv);
    if (arguments.config.empty() && arguments.check.empty())
      throw CLI::RequiredError("--config FILE or --check FILE");
  } catch (const CLI::ParseError& error) {
    exit_code = app.exit(error) == 0 ? 0 : 2;
  }
  return arguments;
}

int check(const std::string& file) {
  const auto errors = control::load(file).errors;
  std::cerr << to_text(errors);
  return errors.empty() ? 0 : 1;
}

// Loading takes large pieces of memory for a short time. glibc would take the next ones from its heap once
// one was freed, where what is allocated after them keeps them from going back to the kernel.
void return_large_memory() {
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
  mallopt(M_TRIM_THRESHOLD, 4 << 20);
}

int run(int argc, char** argv) {
  std::optional<int> exit_code;
  const auto arguments = parse_arguments(argc, argv, exit_code);
  if (exit_code) return *exit_code;
  if (!arguments.check.empty()) return check(arguments.check);

  set_up_logging(arguments.verbose);
  return_large_memory();
  std::signal(SIGPIPE, SIG_IGN);
  // Before there is a thread, before a secret is in memory, and also without exec checks: a reload may bring
  // them.
  auto runner = probe::start_runner();
  if (!runner) logger().error("{}; exec checks cannot be run", runner.error().message);
  auto result = control::load(arguments.config, control::block_steer_ids);
  if (!result.loaded) throw Fatal(to_text(std::move(result.errors)));
  Daemon daemon(std::move(*result.loaded), runner ? std::optional(std::move(*runner)) : std::nullopt);
  daemon.run();
  return 0;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  try {
    return sluice::run(argc, argv);
  } catch (const sluice::Fatal& error) {
    std::cerr << error.what();
  } catch (const std::exception& error) {
    std::cerr << "sluiced: " << error.what() << "\n";
  }
  return 1;
}

#include "client.hpp"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/json.hpp>

#include "admin/server.hpp"

namespace sluice::ctl {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

constexpr Duration patience = 10s;

// The daemon's own HTTP side in a temporary folder, with a director of a few lines.
class Daemon {
 public:
  explicit Daemon(admin::Dispatch dispatch) : server_(context_.get_executor(), std::move(dispatch)) {
    auto name = (std::filesystem::temp_directory_path() / "sluice-client-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder_ = name;
    REQUIRE(server_.listen_unix(socket()).has_value());
    REQUIRE(server_.listen_tcp({*parse_address("127.0.0.1"), 0}).has_value());
    port_ = std::to_string(server_.tcp_address()->port);
    server_.start();
    thread_ = std::thread([this] { context_.run(); });
  }
  ~Daemon() {
    boost::asio::post(context_, [this] { server_.stop(); });
    thread_.join();
    std::filesystem::remove_all(folder_);
  }
  std::string socket() const { return folder_ / "admin.sock"; }
  std::string port() const { return port_; }

 private:
  std::filesystem::path folder_;
  boost::asio::io_context context_;
  admin::Server server_;
  std::string port_;
  std::thread thread_;
};

void tell_arguments(const control::Request& request, const control::ReplyHandler& handler) {
  handler(json::value(request.arguments));
}

TEST_CASE("a daemon on both of its listeners") {
  const Daemon daemon(tell_arguments);
  const HttpCall call{"GET", "/v1/status?name=a", ""};
  for (const auto& target : {Target{daemon.socket(), "", ""}, Target{"", "127.0.0.1", daemon.port()},
                             Target{"", "localhost", daemon.port()}}) {
    const auto reply = exchange(target, call, patience);
    REQUIRE(reply.has_value());
    CHECK(reply->status == 200);
    CHECK(reply->body == R"({"name":"a"})");
  }
}

TEST_CASE("a body and a refusal") {
  const Daemon daemon(tell_arguments);
  const HttpCall change{"PUT", "/v1/steer/a/weights", R"({"weights":{"v1":1}})"};
  CHECK(exchange({daemon.socket(), "", ""}, change, patience)->body == R"({"name":"a","weights":{"v1":1}})");
  CHECK(exchange({"", "127.0.0.1", daemon.port()}, change, patience)->status == 403);
  const HttpCall huge{"PUT", "/v1/steer/a/weights", std::string(4U << 20, ' ')};
  CHECK(exchange({daemon.socket(), "", ""}, huge, patience)->status == 413);
}

TEST_CASE("no daemon") {
  std::string gone, gone_port;
  {
    const Daemon daemon(tell_arguments);
    gone = daemon.socket();
    gone_port = daemon.port();
  }
  const auto missing = exchange({gone, "", ""}, {"GET", "/v1/version", ""}, patience);
  CHECK(missing.error().code == ErrorCode::unavailable);
  CHECK(missing.error().message ==
        "no daemon at " + gone +
            ": there is no such socket\n(tell where it is with --socket PATH, --url URL or SLUICE_SOCKET)");
  const auto refused = exchange({"", "127.0.0.1", gone_port}, {"GET", "/v1/version", ""}, patience);
  CHECK(refused.error().code == ErrorCode::unavailable);
  CHECK(refused.error().message.find("nothing listens there") != std::string::npos);
  CHECK(exchange({std::string(200, 'x'), "", ""}, {"GET", "/", ""}, patience).has_error());
}

TEST_CASE("a daemon that does not reply in time") {
  control::ReplyHandler kept;
  const Daemon daemon(
      [&](const control::Request&, control::ReplyHandler handler) { kept = std::move(handler); });
  const auto reply = exchange({daemon.socket(), "", ""}, {"POST", "/v1/reload", ""}, 50ms);
  CHECK(reply.error().code == ErrorCode::unavailable);
  CHECK(reply.error().message ==
        daemon.socket() + " did not reply within 50ms; `sluicectl status` shows whether the change was made");
}

}  // namespace
}  // namespace sluice::ctl

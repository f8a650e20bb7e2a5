// A running server in a temporary folder, and a client that can send anything.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include <boost/asio/io_context.hpp>

#include "admin/server.hpp"

namespace sluice::admin {

// A new folder under the system's temporary one, removed with all that is in it.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const char* name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// Replies with the request itself as JSON: {"words", "arguments", "who", "dry_run"}.
void echo(const control::Request& request, const control::ReplyHandler& handler);

// Listens on FOLDER/admin.sock and on a port of 127.0.0.1, and runs on a thread of its own until it goes.
class RunningServer {
 public:
  explicit RunningServer(Dispatch dispatch = echo, Limits limits = {});
  ~RunningServer();
  RunningServer(const RunningServer&) = delete;
  RunningServer& operator=(const RunningServer&) = delete;

  std::string socket() const { return folder_ / "admin.sock"; }
  std::uint16_t port() const { return port_; }
  void stop();  // the server, from its own thread; returns when nothing of it is left

 private:
  Folder folder_;
  boost::asio::io_context context_;
  Server server_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

struct RawReply {
  int status = 0;  // 0: the connection ended before there was a reply
  std::string head, body;
};

// A blocking connection. Gives up after ten seconds of silence, so that a fault fails a test and does not
// hang it.
class Client {
 public:
  explicit Client(const std::string& socket);
  explicit Client(std::uint16_t port);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view octets);  // as much as the peer takes
  void finish_sending();
  RawReply receive(bool to_head = false);
  bool at_end();  // waits for the peer to close

  RawReply ask(std::string_view method, std::string_view target, std::string_view body = "");

 private:
  bool fill();

  int descriptor_;
  std::string unread_;
};

}  // namespace sluice::admin

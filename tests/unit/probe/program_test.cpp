// What is pure about exec checks: messages, what a program is started with, and what its end says.
#include "probe/program.hpp"

#include <cerrno>
#include <csignal>
#include <string>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::probe;
using namespace std::chrono_literals;

namespace {

const Message messages[] = {
    Identity{1000, 100, {4, 27, 100}},
    Identity{},
    RunRequest{7, {{"/bin/check", "", "two\nlines"}, {"SLUICE_ADDRESS=192.0.2.1"}, 250ms}},
    RunRequest{~0ULL, {{"/bin/check"}, {}, 1min}},
    Started{},
    RunReply{7, {Ending::exited, 3, "no\0 text", 12ms}},
    RunReply{8, {Ending::killed, SIGKILL, std::string(output_size_max, 'x'), 0ms}},
    RunReply{9, {}},
};

}  // namespace

TEST_CASE("a message comes out of its octets as it went in") {
  for (const auto& message : messages) {
    const auto octets = encode(message);
    REQUIRE(octets);
    const auto decoded = decode(*octets);
    REQUIRE(decoded);
    CHECK(*decoded == message);
  }
}

TEST_CASE("what is no whole message is none") {
  for (const auto& message : messages) {
    const auto octets = *encode(message);
    for (std::size_t size = 0; size < octets.size(); ++size) CHECK_FALSE(decode(octets.substr(0, size)));
    CHECK_FALSE(decode(octets + '\0'));
  }
  CHECK_FALSE(decode("\x04"));                                // no such kind
  CHECK_FALSE(decode(std::string(message_size_max + 1, 0)));  // longer than any
}

TEST_CASE("any change of an octet gives a message within its limits, or none") {
  for (const auto& message : messages) {
    const auto octets = *encode(message);
    for (std::size_t i = 0; i < octets.size(); ++i) {
      for (const char octet : {'\0', '\1', '\x7F', '\x80', '\xFF'}) {
        auto changed = octets;
        changed[i] = octet;
        const auto decoded = decode(changed);
        if (!decoded) continue;
        if (const auto* reply = std::get_if<RunReply>(&*decoded)) {
          CHECK(reply->end.ending <= Ending::lost);
          CHECK(reply->end.output.size() <= output_size_max);
        }
        if (const auto* request = std::get_if<RunRequest>(&*decoded)) {
          CHECK_FALSE(request->program.arguments.empty());
          CHECK(request->program.timeout > 0ms);
        }
      }
    }
  }
}

TEST_CASE("what is too large for a message is not sent") {
  CHECK_FALSE(encode(RunRequest{1, {{"/x", std::string(message_size_max, 'x')}, {}, 1s}}));
  CHECK_FALSE(encode(RunRequest{1, {std::vector<std::string>(program_texts_max + 1, "x"), {}, 1s}}));
  CHECK_FALSE(encode(Identity{1, 1, std::vector<std::uint32_t>(groups_max + 1)}));
}

TEST_CASE("what a program is told") {
  Target target;
  target.destination = *parse_address("2001:db8::1");
  target.check.name = "db";
  target.check.timeout = 250ms;
  target.check.command = {"/bin/check", "--fast"};
  CHECK(program_of(target) ==
        Program{{"/bin/check", "--fast"}, {"SLUICE_ADDRESS=2001:db8::1", "SLUICE_CHECK=db"}, 250ms});
  target.destination = wire::parse_host("edge.cdn.example.").value();
  target.check.port = 5432;
  CHECK(program_of(target).environment ==
        std::vector<std::string>{"SLUICE_ADDRESS=edge.cdn.example", "SLUICE_CHECK=db", "SLUICE_PORT=5432"});
}

TEST_CASE("what the end of a program says") {
  struct Row {
    const char* name;
    ProgramEnd end;
    bool success;
    std::string detail;
  };
  const Row rows[] = {
      {"success", {Ending::exited, 0, "", 1ms}, true, "exit status 0"},
      {"success with words",
       {Ending::exited, 0, "\n  OK - 3 rows\nmore\n", 1ms},
       true,
       "exit status 0: OK - 3 rows"},
      {"failure", {Ending::exited, 2, "no answer", 1ms}, false, "exit status 2: no answer"},
      {"signal", {Ending::killed, SIGKILL, "", 1ms}, false, "killed by signal 9 (Killed)"},
      {"signal with words",
       {Ending::killed, SIGSEGV, "a\r\n", 1ms},
       false,
       "killed by signal 11 (Segmentation fault): a"},
      {"timeout", {Ending::timed_out, 0, "", 1s}, false, "timeout after 1s"},
      {"timeout with words", {Ending::timed_out, 0, "waiting", 1s}, false, "timeout after 1s: waiting"},
      {"no file",
       {Ending::not_started, ENOENT, "", 1ms},
       false,
       "cannot be started: No such file or directory"},
      {"escape codes",
       {Ending::exited, 1, "\x1B[31mred\a\xC2\x9B\x7F", 1ms},
       false,
       "exit status 1: [31mred"},
      {"invalid UTF-8", {Ending::exited, 1, "a\xFF\xC3(b\xE2\x82", 1ms}, false, "exit status 1: a(b"},
      {"a long line",
       {Ending::exited, 1, std::string(300, 'x'), 1ms},
       false,
       "exit status 1: " + std::string(200, 'x') + "..."},
  };
  config::Check check;
  check.timeout = 1s;
  for (const auto& row : rows) {
    CAPTURE(row.name);
    const auto result = judge(check, row.end);
    REQUIRE(result.has_value());
    CHECK(result->success == row.success);
    CHECK(result->detail == row.detail);
    CHECK(result->took == row.end.took);
  }
}

TEST_CASE("what this machine lacks says nothing about the endpoint") {
  for (const int failure : {EAGAIN, ENOMEM, EMFILE, ENFILE}) {
    const auto result = judge({}, {Ending::not_started, failure, "", 0ms});
    REQUIRE(result.has_error());
    CHECK(result.error().code == ErrorCode::unavailable);
  }
  CHECK(judge({}, ProgramEnd{}).has_error());
}

TEST_CASE("a program that is lost again and again ends its supervisor itself") {
  const auto result = judge({}, {Ending::lost, 0, "", 5ms}, true);
  REQUIRE(result.has_value());
  CHECK_FALSE(result->success);
  CHECK(result->detail == "the program ended its supervisor");
  CHECK(judge({}, {Ending::exited, 0, "", 5ms}, true)->success);
  CHECK(judge({}, {Ending::not_started, ENOMEM, "", 5ms}, true).has_error());
}

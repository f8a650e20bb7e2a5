// Replies that leave in one message, over real sockets on loopback.
#include "serve/outbox.hpp"

#include <deque>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <unistd.h>

namespace sluice::serve {
namespace {

class Udp {
 public:
  Udp() : socket_(socket(AF_INET, SOCK_DGRAM, 0)) {
    REQUIRE(socket_ >= 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(socket_, reinterpret_cast<sockaddr*>(&any), sizeof any) == 0);
    socklen_t size = sizeof address_;
    REQUIRE(getsockname(socket_, reinterpret_cast<sockaddr*>(&address_), &size) == 0);
  }
  ~Udp() { close(socket_); }
  Udp(const Udp&) = delete;
  Udp& operator=(const Udp&) = delete;

  int descriptor() const { return socket_; }

  // As the kernel gives the message of a query from here.
  msghdr query() { return {&address_, sizeof address_, nullptr, 0, nullptr, 0, 0}; }

  // All datagrams that have come: on loopback they are there when sending returns.
  std::vector<std::string> received() const {
    std::vector<std::string> all;
    char octets[2048];
    for (ssize_t size; (size = recv(socket_, octets, sizeof octets, MSG_DONTWAIT)) >= 0;)
      all.emplace_back(octets, static_cast<std::size_t>(size));
    return all;
  }

 private:
  int socket_;
  sockaddr_in address_{};
};

// Replies with what they are kept in.
class Replies {
 public:
  void add(Outbox& outbox, Udp& to, std::string text) {
    texts_.push_back(std::move(text));
    queries_.push_back(to.query());
    outbox.add(queries_.back(), {texts_.back().data(), texts_.back().size()});
  }

 private:
  std::deque<std::string> texts_;
  std::deque<msghdr> queries_;
};

std::string text(std::size_t size, char filler) { return std::string(size, filler); }

// Whether the outbox keeps the two apart: it looks for a bundle in one place an address, and two may have the
// same.
bool have_own_places(Udp& one, Udp& other) {
  Outbox outbox;
  Replies replies;
  for (auto* to : {&one, &other, &one}) replies.add(outbox, *to, "x");
  return outbox.bundle_count() == 2;
}

TEST_CASE("replies to one socket leave together, and come apart") {
  Udp server, one;
  std::deque<Udp> others(1);
  while (!have_own_places(one, others.back())) others.emplace_back();
  auto& other = others.back();
  Outbox outbox;
  Replies replies;
  for (int batch = 0; batch < 2; ++batch) {
    CAPTURE(batch);
    outbox.clear();
    for (char k = 'a'; k < 'f'; ++k) {
      replies.add(outbox, one, text(90, k));
      replies.add(outbox, other, text(70, k));
    }
    CHECK(outbox.bundle_count() == 2);
    outbox.send(server.descriptor());
    CHECK(one.received() ==
          std::vector{text(90, 'a'), text(90, 'b'), text(90, 'c'), text(90, 'd'), text(90, 'e')});
    CHECK(other.received() ==
          std::vector{text(70, 'a'), text(70, 'b'), text(70, 'c'), text(70, 'd'), text(70, 'e')});
  }
}

TEST_CASE("a bundle takes replies of its first one's size, and ends with a shorter one") {
  Udp server, client;
  struct Row {
    std::vector<std::size_t> sizes;
    unsigned bundles;
  };
  const Row rows[] = {
      {{100, 100, 60}, 1},  // the shorter one is the last
      {{100, 60, 60}, 2},   // and nothing follows it
      {{60, 100, 100}, 2},  // a longer one begins anew
      {{512, 512}, 1},      // as long as it may be
      {{513, 513}, 2},      // a path may be too narrow for those
      {std::vector<std::size_t>(64, 120), 1},
      {{40}, 1},
  };
  for (const auto& [sizes, bundles] : rows) {
    CAPTURE(sizes.size());
    Outbox outbox;
    Replies replies;
    std::vector<std::string> expected;
    for (const auto size : sizes) {
      expected.push_back(text(size, static_cast<char>('a' + expected.size() % 26)));
      replies.add(outbox, client, expected.back());
    }
    CHECK(outbox.bundle_count() == bundles);
    outbox.send(server.descriptor());
    CHECK(client.received() == expected);
  }
}

TEST_CASE("where the kernel takes no bundles, replies leave one by one") {
  Udp server, client;
  const int yes = 1;
  REQUIRE(setsockopt(server.descriptor(), SOL_SOCKET, SO_NO_CHECK, &yes, sizeof yes) ==
          0);  // EINVAL for them
  Outbox outbox;
  Replies replies;
  for (const unsigned bundles : {1U, 3U}) {
    outbox.clear();
    for (char k = 'a'; k < 'd'; ++k) replies.add(outbox, client, text(50, k));
    CHECK(outbox.bundle_count() == bundles);  // it is not tried again
    outbox.send(server.descriptor());
    CHECK(client.received() == std::vector{text(50, 'a'), text(50, 'b'), text(50, 'c')});
  }
}

TEST_CASE("what cannot be sent does not keep the rest") {
  Udp server, client;
  Outbox outbox;
  Replies replies;
  sockaddr_in nowhere{};  // port 0
  nowhere.sin_family = AF_INET;
  nowhere.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const msghdr lost{&nowhere, sizeof nowhere, nullptr, 0, nullptr, 0, 0};
  std::string nothing = text(50, 'x');
  replies.add(outbox, client, text(50, 'a'));
  for (int i = 0; i < 3; ++i) outbox.add(lost, {nothing.data(), nothing.size()});
  replies.add(outbox, client, text(40, 'b'));
  outbox.send(server.descriptor());
  CHECK(client.received() == std::vector{text(50, 'a'), text(40, 'b')});
}

}  // namespace
}  // namespace sluice::serve

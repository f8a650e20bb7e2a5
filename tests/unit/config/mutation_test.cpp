// Whatever the bytes are: a config or a reason, never a crash, never an exception.
#include <random>

#include <doctest/doctest.h>

#include "support.hpp"

namespace sluice::config {
namespace {

constexpr std::string_view seed_text = R"([server]
listen = ["127.0.0.1:5300", "[::1]:5300"]
workers = 0
state = "state"
[admin]
http = "127.0.0.1:8053"
[zone."shop.example"]
file = "shop.example.zone"
[check.web]
type = "http" # comment
path = "/healthz"
expect = [200, "300-399"]
interval = "2s"
[pool.v1]
check = "web"
endpoints = ["192.0.2.10", { address = "192.0.2.11", weight = 2 }, "2001:db8::10"]
[pool.v2]
endpoints = ['192.0.2.20']
[steer."www.shop.example"]
pools = { v1 = 95, v2 = 0.5e1 }
ttl = "30s"
method = "sticky"
)";

class Mutator {
 public:
  std::string mutated() {
    std::string text(seed_text);
    for (auto left = 1 + below(8); left > 0; --left) mutate(text);
    return text;
  }

 private:
  std::size_t below(std::size_t end) { return random_() % end; }

  // Half of them from what means something to TOML: plain noise seldom gets past the first error.
  char any_byte() {
    constexpr std::string_view telling = "[]{}\"'.,=#\n\r\t \\-+_0189eEinfatru\x7F";
    return below(2) == 0 ? telling[below(telling.size())] : static_cast<char>(below(256));
  }

  void mutate(std::string& text) {
    if (text.empty()) return;
    const auto at = below(text.size());
    const auto size = below(2) == 0 ? 1 : below(std::min<std::size_t>(text.size() - at, 60)) + 1;
    switch (below(4)) {
      case 0:
        text.erase(at, size);
        break;
      case 1:
        text.insert(below(text.size()), text.substr(at, size));
        break;
      case 2:
        text[at] = any_byte();
        break;
      case 3:
        text.insert(at, 1, any_byte());
        break;
    }
  }

  std::mt19937 random_{20260131};
};

}  // namespace

TEST_CASE("any bytes give a config or errors") {
  REQUIRE(load_text(seed_text, "sluice.toml").config);
  constexpr int rounds = 20'000;
  Mutator mutator;
  int accepted = 0;
  for (int i = 0; i < rounds; ++i) {
    const auto text = mutator.mutated();
    LoadResult result;
    REQUIRE_NOTHROW_MESSAGE(result = load_text(text, "sluice.toml"), text);
    REQUIRE_MESSAGE(result.config.has_value() == result.errors.empty(), text);
    accepted += result.config ? 1 : 0;
    for (const auto& error : result.errors) {
      REQUIRE_MESSAGE(!error.message.empty(), text);
      REQUIRE_MESSAGE(error.message.find('\n') == std::string::npos, text);
    }
  }
  // The mutations are neither all harmless nor all fatal.
  CHECK(accepted > rounds / 100);
  CHECK(accepted < rounds / 2);
}

}  // namespace sluice::config

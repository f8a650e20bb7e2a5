// Preview names: which steers they make, and what is refused.
#include <algorithm>

#include <doctest/doctest.h>

#include "support.hpp"

namespace sluice::config {
namespace {

// What follows it begins at line 14.
const std::string_view previewed =
    "[pool.blue]\n"
    "endpoints = [\"192.0.2.1\"]\n"
    "[pool.green]\n"
    "endpoints = [\"192.0.2.2\"]\n"
    "[steer.\"www.shop.example\"]\n"
    "pools = { blue = 2, green = 0 }\n"
    "ttl = \"30s\"\n"
    "ttl_min = \"2s\"\n"
    "preview = true\n";

std::ptrdiff_t previews_of(const Config& config) {
  return std::ranges::count_if(config.steers,
                               [](const Steer& steer) { return steer.preview_of.has_value(); });
}

TEST_CASE("a preview name is a steer behind all others, of the same pools without weights") {
  const auto loaded = load_after_head(fmt::format("{}{}", previewed,
                                                  "answers = 2\n"
                                                  "standby = [\"green\"]\n"
                                                  "rollout = \"careful\"\n"
                                                  "pools_min = 1\n"
                                                  "[rollout.careful]\n"
                                                  "[steer.\"api.shop.example\"]\n"
                                                  "pools = { blue = 1 }\n"));
  REQUIRE_MESSAGE(loaded.config, text_of(loaded.errors));
  const auto& config = *loaded.config;
  REQUIRE(config.steers.size() == 3);
  const auto& preview = config.steers[2];
  CHECK(preview.name.text() == "preview.www.shop.example.");
  CHECK(preview.preview_of == config.steers[0].name);
  CHECK(config.find_preview(config.steers[0]) == &preview);
  CHECK(config.find_preview(config.steers[1]) == nullptr);
  CHECK(config.find_preview(preview) == nullptr);
  REQUIRE(preview.pools.size() == 2);
  CHECK(preview.pools[0].pool == "blue");
  CHECK(preview.pools[0].weight == 0);
  CHECK(preview.ttl == std::chrono::seconds(2));
  CHECK(preview.answers == 2);
  CHECK(preview.standby.empty());
  CHECK(preview.rollout.empty());
  CHECK(preview.safety == Safety{});
}

TEST_CASE("preview names that cannot be are refused, and it is said where") {
  const std::string long_label(63, 'a');
  const auto long_name =
      fmt::format("{}.{}.{}.{}.shop.example", long_label, long_label, long_label, long_label.substr(0, 45));
  const auto of_steer = [](std::string_view steer, std::string_view more) {
    return fmt::format(
        "[pool.v1]\nendpoints = [\"192.0.2.1\"]\n[steer.\"{}\"]\npools = {{ v1 = 1 }}\npreview = true\n{}",
        steer, more);
  };
  struct Row {
    const char* what;
    std::string text, errors;
  };
  const Row rows[] = {
      {"a steered name",
       of_steer("www.shop.example", "[steer.\"Preview.www.shop.example\"]\npools = { v1 = 1 }\n"),
       "9:11: preview: preview.www.shop.example. is a steered name itself, at 10:8\n"},
      {"another zone's apex",
       of_steer("www.shop.example", "[zone.\"preview.www.shop.example\"]\nfile = \"p.zone\"\n"),
       "9:11: preview: preview.www.shop.example. is the apex of another zone\n"},
      {"a wildcard", of_steer("*.shop.example", ""), "9:11: preview: a wildcard has no preview name\n"},
      {"no boolean",
       "[pool.v1]\nendpoints = [\"192.0.2.1\"]\n[steer.\"www.shop.example\"]\npools = { v1 = 1 }\npreview = "
       "\"yes\"\n",
       "9:11: preview: expected true or false, got a string\n"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    const auto loaded = load_after_head(row.text);
    CHECK_FALSE(loaded.config.has_value());
    CHECK(previews_of(loaded.draft) == 0);
    CHECK(text_of(loaded.errors) == row.errors);
  }
  const auto too_long = load_after_head(of_steer(long_name, ""));
  CHECK_FALSE(too_long.config.has_value());
  CHECK(text_of(too_long.errors).starts_with("9:11: preview: "));
}

// There may be more errors in its zone, which are looked for all the same.
TEST_CASE("a name that is given twice has one preview name") {
  const auto loaded = load_after_head(
      fmt::format("{}[steer.\"WWW.shop.example\"]\npools = {{ blue = 1 }}\npreview = true\n", previewed));
  CHECK_FALSE(loaded.config.has_value());
  CHECK(previews_of(loaded.draft) == 1);
}

}  // namespace
}  // namespace sluice::config

// Classes of clients and where steers lead them: what is read, and what is refused.
#include <doctest/doctest.h>

#include "support.hpp"

namespace sluice::config {
namespace {

const std::string_view pools_and_steer =
    "[pool.v1]\n"
    "endpoints = [\"192.0.2.1\"]\n"
    "[pool.v2]\n"
    "endpoints = [\"192.0.2.2\"]\n"
    "[steer.\"www.shop.example\"]\n"
    "pools = { v1 = 1 }\n"
    "standby = [\"v2\"]\n";

TEST_CASE("classes, and routes in their order") {
  const auto loaded = load_after_head(fmt::format("{}{}", pools_and_steer, R"(
classes = { partners = "v1", testers = "v2" }
[class.testers]
prefixes = ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]
[class.partners]
prefixes = ["10.9.0.0/16"]
)"));
  REQUIRE_MESSAGE(loaded.config, text_of(loaded.errors));
  const auto& config = *loaded.config;
  REQUIRE(config.classes.size() == 2);
  CHECK(config.classes[0].prefixes.size() == 3);
  CHECK(to_text(config.classes[0].prefixes[2]) == "192.0.2.7/32");
  REQUIRE(config.find_class("partners") == &config.classes[1]);
  CHECK(config.find_class("nobody") == nullptr);
  CHECK(config.steers[0].routes == std::vector<ClassRoute>{{"testers", "v2"}, {"partners", "v1"}});
}

TEST_CASE("what is wrong with classes is said, and where") {
  const Case cases[] = {
      {"no prefixes", "[class.a]\n",
       "5:1: [class.a] has no 'prefixes'; expected an array of prefixes such as [\"192.0.2.0/24\", "
       "\"2001:db8::/32\"]\n"},
      {"none", "[class.a]\nprefixes = []\n", "6:12: prefixes: expected at least one, got none\n"},
      {"a bad name", "[class.\"a b\"]\nprefixes = [\"10.0.0.0/8\"]\n",
       "5:8: 'a b' is no name of a class: expected 1 to 63 letters, digits, '-', '_' and '.'\n"},
      {"bad prefixes", "[class.a]\nprefixes = [\"10.0.0.1/8\", 7, \"x\"]\n",
       "6:13: prefixes: '10.0.0.1/8' has bits behind its length; the prefix is 10.0.0.0/8\n"
       "6:27: prefixes: expected a prefix such as \"192.0.2.0/24\", got an integer\n"
       "6:30: prefixes: 'x' is no prefix such as \"192.0.2.0/24\" or \"2001:db8::/32\"\n"},
      {"a prefix twice", "[class.a]\nprefixes = [\"10.0.0.0/8\", \"10.0.0.0/8\"]\n",
       "6:27: prefixes: 10.0.0.0/8 is given twice, first at 6:13\n"},
      {"a prefix in two classes",
       "[class.a]\nprefixes = [\"10.0.0.0/8\"]\n[class.b]\nprefixes = [\"10.0.0.0/16\", \"10.0.0.0/8\"]\n",
       "8:28: prefixes: 10.0.0.0/8 is given twice, first in [class.a] at 6:13\n"},
      {"no table",
       "[pool.v1]\nendpoints = [\"192.0.2.1\"]\n[steer.\"www.shop.example\"]\npools = { v1 = 1 }\nclasses = "
       "\"v1\"\n",
       "9:11: classes: expected a table of classes and the pools they are led to such as { testers = \"v2\" "
       "}, got a string\n"},
      {"no pool's name",
       "[pool.v1]\nendpoints = [\"192.0.2.1\"]\n[steer.\"www.shop.example\"]\npools = { v1 = 1 }\nclasses = "
       "{ "
       "a = 1 }\n[class.a]\nprefixes = [\"10.0.0.0/8\"]\n",
       "9:17: classes: expected the NAME of a section [pool.NAME], got an integer\n"},
      {"an unknown class",
       "[pool.v1]\nendpoints = [\"192.0.2.1\"]\n[steer.\"www.shop.example\"]\npools = { v1 = 1 }\nclasses = "
       "{ "
       "tester = \"v1\" }\n[class.testers]\nprefixes = [\"10.0.0.0/8\"]\n",
       "9:13: there is no class 'tester'; did you mean 'testers'?\n"},
      {"no classes at all",
       "[pool.v1]\nendpoints = [\"192.0.2.1\"]\n[steer.\"www.shop.example\"]\npools = { v1 = 1 }\nclasses = "
       "{ "
       "testers = \"v1\" }\n",
       "9:13: there is no class 'testers'; there are no sections [class.NAME]\n"},
      {"a pool of other names",
       "[pool.v1]\nendpoints = [\"192.0.2.1\"]\n[pool.v2]\nendpoints = [\"192.0.2.2\"]\n"
       "[steer.\"www.shop.example\"]\npools = { v1 = 1 }\nclasses = { a = \"v2\" }\n[class.a]\nprefixes = "
       "[\"10.0.0.0/8\"]\n",
       "11:17: classes: 'v2' is none of the name's pools, v1\n"},
  };
  check_errors(cases);
}

TEST_CASE("prefixes of all classes have a limit") {
  std::string text;
  for (int part = 0; part < 2; ++part) {
    text += fmt::format("[class.c{}]\nprefixes = [", part);
    for (int i = 0; i < 2049; ++i) text += fmt::format("\"10.{}.{}.0/24\",\n", 9 * part + i / 256, i % 256);
    text += "]\n";
  }
  CHECK(text_of(load_after_head(text).errors) == "4104:1: prefixes: expected at most 4096 in all classes\n");
}

}  // namespace
}  // namespace sluice::config

// Configuration files: a config or errors, each with its place in the text.
#include <algorithm>

#include "config/config.hpp"
#include "rules.hpp"

using namespace sluice;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto lines = static_cast<std::uint32_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  const auto result = config::load_text(text, "/nonexistent/sluice.toml");
  fuzz::require(result.config.has_value() == result.errors.empty(), "a config or errors");
  for (const auto& error : result.errors) {
    fuzz::require(!error.message.empty(), "an error says what is wrong");
    fuzz::require(error.message.find('\n') == std::string::npos, "an error is one line");
    fuzz::require(error.at.line <= lines, "an error stands in the file");
  }
  config::explain(text.substr(0, 100));
  return 0;
}

#include "base/diagnostic.hpp"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

namespace sluice {

std::string to_text(const Diagnostic& diagnostic) {
  const auto& [file, at, message] = diagnostic;
  return fmt::format("{}:{}:{}: error: {}", file, std::max(at.line, 1U), std::max(at.column, 1U), message);
}

std::string to_text(Diagnostics diagnostics) {
  auto key = [](const Diagnostic& d) { return std::tie(d.file, d.at.line, d.at.column); };
  std::stable_sort(diagnostics.begin(), diagnostics.end(),
                   [&](const Diagnostic& a, const Diagnostic& b) { return key(a) < key(b); });
  std::string text;
  for (const auto& diagnostic : diagnostics) text += to_text(diagnostic) + "\n";
  return text;
}

}  // namespace sluice

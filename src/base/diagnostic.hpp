// What is wrong in a file of the user's, and where. Config and zone errors are collected as these, so that
// all of them are shown at once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice {

struct Position {
  std::uint32_t line = 0;    // from 1; 0: the file as a whole
  std::uint32_t column = 0;  // from 1; 0: the line as a whole
  friend bool operator==(const Position&, const Position&) = default;
};

struct Diagnostic {
  std::string file;
  Position at;
  std::string message;
};

using Diagnostics = std::vector<Diagnostic>;

// "FILE:LINE:COLUMN: error: MESSAGE"; an unknown line or column is given as 1.
std::string to_text(const Diagnostic& diagnostic);

// All of them, sorted by file and position, one a line.
std::string to_text(Diagnostics diagnostics);

}  // namespace sluice

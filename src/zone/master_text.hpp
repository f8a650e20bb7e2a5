// Splits the text of a master file into entries (RFC 1035, 5.1): what stands on one line, or on several
// inside parentheses, without its comments. It knows nothing about names, directives or records.
//
//   EntryReader reader(text);
//   for (Entry entry;;) {
//     switch (reader.next(entry)) { case EntryReader::Step::entry: use(entry); ... case Step::end: return; }
//   }
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.hpp"

namespace sluice::zone {

// A word of the file as it is written: escapes and quotes are still in it. A view into the file's text.
struct Token {
  std::string_view text;
  Position at;
  bool quoted() const { return text.front() == '"'; }
};

// Whether a word that does not begin with a quote has one further in, and not escaped.
bool has_inner_quote(std::string_view word);

struct Entry {
  std::vector<Token> tokens;   // at least one
  bool owner_omitted = false;  // the line begins with a blank: the owner is that of the record before
};

// What is wrong and where, within one file.
struct Problem {
  Position at;
  std::string message;
};

class EntryReader {
 public:
  enum class Step : std::uint8_t { entry, problem, end };

  explicit EntryReader(std::string_view text) : text_(text) {}

  // After `problem` the reader goes on with the next line. `entry` keeps its memory from call to call.
  Step next(Entry& entry);

  const Problem& problem() const { return problem_; }

  // How many lines have ended so far.
  std::uint32_t lines() const { return line_ - 1; }

  // Whether an unbalanced parenthesis may have hidden records from us.
  bool lost_records() const { return lost_records_; }

 private:
  bool at_end() const { return at_ == text_.size(); }
  Position here() const;
  void skip_line();
  void end_line();
  bool read_parenthesis(Entry& entry);
  bool read_token(Entry& entry);
  bool refuse(Position at, std::string message);

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_start_ = 0;
  std::uint32_t line_ = 1;
  Position open_;  // of the open parenthesis; line 0: none
  Problem problem_;
  bool lost_records_ = false;
};

}  // namespace sluice::zone

// Turns the words of a record's rdata into wire form. The work is ldns', guarded against what ldns 1.8.3 lets
// through: numbers that do not fit, names longer than 255 octets, half octets, rdata cut short. ldns stays
// inside.
//
//   RecordParser parser;
//   parser.set_origin(origin);
//   if (auto problem = parser.rdata(type, type_token, words, out)) report(*problem);
//
// Not thread-safe: one for each thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wire/name.hpp"
#include "wire/types.hpp"
#include "zone/master_text.hpp"

namespace sluice::zone {

class RecordParser {
 public:
  RecordParser();
  ~RecordParser();
  RecordParser(const RecordParser&) = delete;
  RecordParser& operator=(const RecordParser&) = delete;

  // What relative names in rdata are relative to.
  void set_origin(const wire::Name& origin);

  // "A", "mx", "TYPE65280" (RFC 3597, 5); nothing when it is no type.
  std::optional<wire::RrType> type(std::string_view text);

  // Appends the rdata's wire form to `out`, or says what is wrong and leaves `out` as it was.
  std::optional<Problem> rdata(wire::RrType type, const Token& type_token, std::span<const Token> words,
                               std::vector<std::uint8_t>& out);

 private:
  struct Origin;
  std::unique_ptr<Origin> origin_;
  std::map<std::string, wire::RrType, std::less<>> types_;  // those seen: ldns' own search is linear
  std::string text_;                                        // reused from record to record
};

// "3600", "1h30m", "2W": seconds. Nothing when it is no such text or more than `seconds_max`.
std::optional<std::uint32_t> parse_period(std::string_view text, std::uint32_t seconds_max);

}  // namespace sluice::zone

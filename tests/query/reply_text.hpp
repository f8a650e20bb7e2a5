// A reply as lines of text, read by ldns and not by our own code.
#pragma once

#include <string>
#include <vector>

#include "wire/name.hpp"

namespace sluice::query_cases {

// "reply NOERROR aa rd", "question NAME CLASS TYPE", "edns SIZE ...", "answer RECORD", ..., "size N"; the
// records of an RRset are sorted. One line "malformed HEX" when it is no DNS message, "reply none" when it is
// empty.
std::vector<std::string> describe(wire::Bytes reply);

// "NAME TTL CLASS TYPE RDATA" as describe() writes it; empty when `text` is no record.
std::string normalised_record(const std::string& text);

// Sorts the records of each RRset, which stand next to one another.
void sort_rrsets(std::vector<std::string>& lines);

// "NOERROR", "BADVERS", or the number.
std::string rcode_text(unsigned rcode);

}  // namespace sluice::query_cases

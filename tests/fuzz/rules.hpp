// What must hold of the reply to any octets whatsoever, checked by reading both messages independently of
// answer().
#pragma once

#include "answer/answer.hpp"

namespace sluice::fuzz {

// Throws std::logic_error with `rule`: a finding of the fuzzer, a failed input of the replay.
void require(bool holds, const char* rule);

// `reply` is empty when there was none. `too_large_for_tcp`: something that was asked for may not fit into
// 64 KiB.
void check_reply(const answer::Client& client, wire::Bytes message, wire::Bytes reply,
                 bool too_large_for_tcp);

}  // namespace sluice::fuzz

// An endpoint of a status, or of an explanation, in words.
#pragma once

#include <string>

#include <boost/json/value.hpp>

#include "base/clock.hpp"
#include "table.hpp"

namespace sluice::ctl {

// "up", "up at 25%", "drained (up)", "down, in answers"
Cell state_cell(const boost::json::value& endpoint);

// "200 OK, 1ms, 1s ago, 1 of 3 failures"
std::string last_check_text(const boost::json::value& endpoint, bool checked, Time now);

// "by root, 5m left: kernel upgrade"
std::string word_text(const boost::json::value& word, Time now);

// "then held down: by root, 5m left: kernel upgrade": what holds again after the word in force
std::string next_word_text(const boost::json::value& word, Time now);

// "drain at 2026-12-01 02:00:00 UTC, for 10m, by root: kernel upgrade"
std::string scheduled_text(const boost::json::value& scheduled);

}  // namespace sluice::ctl

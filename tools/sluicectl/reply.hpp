// Looking into a reply: a member that is missing, or of another type, is null, empty or 0. Texts come out
// safe to print.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "base/clock.hpp"

namespace sluice::ctl {

const boost::json::value& member(const boost::json::value& value, std::string_view key);
std::string text(const boost::json::value& value, std::string_view key);
double number(const boost::json::value& value, std::string_view key);
bool flag(const boost::json::value& value, std::string_view key);
const boost::json::array& list(const boost::json::value& value, std::string_view key);
std::optional<Time> time(const boost::json::value& value, std::string_view key);

// "now", "12s", "3m", "5h", "2d": one unit is enough to judge an age.
std::string age_text(Duration age);

// How long ago it was; empty when it is no time.
std::string age(const boost::json::value& value, std::string_view key, Time now);

// "half by now, 90 % in 4s, 99 % in 5s, all in 5s": of the caches that obey the TTL, so many let go of it
// by then; "no cache holds it"; empty where nothing is said.
std::string leases_text(const boost::json::value& leases, Time now);

std::string percent(double share);       // "12.5%"
std::string plain_number(double value);  // "90", "0.25"
std::string joined(const std::vector<std::string>& parts, std::string_view separator);
std::string clock_text(Time at);  // "12:00:00"

// "2026-01-31 12:00:00"; what is no time is shown as it is.
std::string date_text(const boost::json::value& value, std::string_view key);

// "preview of www.shop.example.: answered from green, the first pool without weight"; empty for null.
std::string preview_text(const boost::json::value& preview);

}  // namespace sluice::ctl

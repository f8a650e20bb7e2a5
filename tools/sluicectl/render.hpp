// The daemon's replies as text for a person. Pure: what is shown depends on the arguments alone. A reply that
// lacks a member, from a daemon of another version, shows less, never an error.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "base/clock.hpp"
#include "control/commands.hpp"

namespace sluice::ctl {

struct Style {
  bool colours = false;
  std::size_t width = 100;  // columns
};

std::string render_status(const boost::json::value& reply, Style style);

// How far rollouts are.
std::string render_rollouts(const boost::json::value& reply, Style style);

// How far rolling upgrades are.
std::string render_rollings(const boost::json::value& reply, Style style);

// Each event is a line; nothing for none.
std::string render_events(const boost::json::value& reply, Style style);

// What a change did: its sentence, and what was and is. `now` is for how long caches may still hold an
// address.
std::string render_change(const boost::json::value& reply, Time now, Style style);

// Why a client gets what it gets.
std::string render_explain(const boost::json::value& reply, Style style);

// What the probes of `check run` brought, each a line.
std::string render_check_run(const boost::json::value& reply, Style style);

// The line about the daemon in `version`.
std::string render_version(const boost::json::value& reply);

// When no cache can hold the address any more, of a drain's reply; nothing when none holds it.
std::optional<Time> cached_until(const boost::json::value& reply);

// The endpoints that a change was about.
std::vector<std::string> addresses_of(const boost::json::value& reply);

// Why an address that was drained is not out of answers by what a status says of operators' words; empty: it
// is.
std::string why_not_out(const boost::json::value& status, std::string_view address);

// Until when caches may hold one of these addresses, which are drained, by what a status says: later than
// `now`, or nothing. One that is in answers for all that has no end yet: in a moment there is to be looked
// again.
std::optional<Time> held_until(const boost::json::value& status, const std::vector<std::string>& addresses,
                               Time now);

// The daemon's reason in an error reply, or what else came instead.
std::string error_message(unsigned status, std::string_view body);

// Indented JSON, for --json.
std::string pretty(const boost::json::value& value);

}  // namespace sluice::ctl

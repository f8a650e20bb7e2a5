// What rollouts and rolling upgrades look alike in, as text.
#pragma once

#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include "render.hpp"

namespace sluice::ctl {

// What it waits for, a line; then when caches let go, and why it has ended, or waits. Nothing where there is
// nothing to say.
std::string waiting_lines(std::string_view waits, const boost::json::value& one, Time now, Style style);

// Each of the reply's list `key`, with an empty line between two of them.
std::string render_each(const boost::json::value& reply, std::string_view key, Style style,
                        std::string (*text_of)(const boost::json::value& one, Time now, Style style));

}  // namespace sluice::ctl

#include "render_progress.hpp"

#include <fmt/format.h>

#include <boost/json/array.hpp>

#include "reply.hpp"
#include "table.hpp"

namespace sluice::ctl {

std::string waiting_lines(std::string_view waits, const boost::json::value& one, Time now, Style style) {
  std::string lines;
  if (!waits.empty()) lines += fmt::format("  {}\n", waits);
  if (const auto leases = leases_text(member(one, "leases"), now); !leases.empty())
    lines += "  caches that obey the TTL let go: " + leases + "\n";
  const auto warn = [&](const std::string& line) {
    lines += "  " + paint(line, Colour::warning, style.colours) + "\n";
  };
  // What it waits for may well be that.
  if (const auto waits_for = text(one, "waits_for"); !waits_for.empty())
    warn(waits_for);
  else if (const auto forbidden = text(one, "forbidden"); !forbidden.empty())
    warn("the next step is held: " + forbidden);
  const auto by = text(one, "sent_back_by") + text(one, "ended_by");  // of a rollout; of a rolling
  if (const auto reason = text(one, "reason"); !reason.empty() || !by.empty())
    warn(fmt::format("because: {}{}", reason, by.empty() ? "" : fmt::format(" ({})", by)));
  return lines;
}

std::string render_each(const boost::json::value& reply, std::string_view key, Style style,
                        std::string (*text_of)(const boost::json::value& one, Time now, Style style)) {
  const auto now = time(reply, "now").value_or(Time{});
  std::string result;
  for (const auto& one : list(reply, key)) result += (result.empty() ? "" : "\n") + text_of(one, now, style);
  return result.empty() ? "there is none, and has been none\n" : result;
}

}  // namespace sluice::ctl

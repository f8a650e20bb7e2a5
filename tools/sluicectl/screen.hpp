// What is drawn again and again on a terminal: it has to fit, as what scrolls away or wraps is no picture.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice::ctl {

// 0: not known, and nothing is cut.
struct Screen {
  std::size_t columns = 0, rows = 0;
};

// That of the terminal, as it is now.
Screen screen_of(int terminal);

// At most `columns` characters of the line, the last being "…" when something was cut off. Colours take no
// room, and end as they would have.
std::string cut_line(std::string_view line, std::size_t columns);

// `text` and below it `note`, both of whole lines, on all rows but the last one, which is the cursor's. Of a
// text that is too long the beginning is shown, and how many lines are not.
std::string fitted(std::string_view text, std::string_view note, Screen screen);

}  // namespace sluice::ctl

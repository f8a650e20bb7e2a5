#include "base/file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sluice {

Result<std::string> read_file(const std::string& path, std::size_t size_max) {
  const auto failure = [](int code) {
    return Error{ErrorCode::not_found, fmt::format("cannot read the file: {}", std::strerror(code))};
  };
  // A pipe without a writer would otherwise keep us waiting here.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return failure(errno);
  const struct Closer {
    int descriptor;
    ~Closer() { ::close(descriptor); }
  } closer{descriptor};
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return failure(errno);
  if (!S_ISREG(status.st_mode))
    return Error{ErrorCode::invalid, "cannot read the file: it is no regular file"};
  std::string text(std::min(static_cast<std::size_t>(status.st_size), size_max) + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const auto got = ::read(descriptor, text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failure(errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > size_max)
    return Error{ErrorCode::invalid, fmt::format("the file is larger than {} octets", size_max)};
  text.resize(size);
  return text;
}

}  // namespace sluice

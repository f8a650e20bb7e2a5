#include "admin/unix_socket.hpp"

#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace sluice::admin {
namespace {

// Connections that wait for accept(): an operator's few, and a script's burst.
constexpr int backlog = 64;

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  int get() const { return value_; }
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

Error failed(const std::string& path, std::string_view what, int error) {
  return {ErrorCode::unavailable,
          fmt::format("{}: {}: {}", path, what, std::system_category().message(error))};
}

Result<sockaddr_un> socket_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return Error{ErrorCode::invalid,
                 fmt::format("'{}' cannot be a socket's path: it has to have 1 to {} octets", path,
                             sizeof address.sun_path - 1)};
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

int open_socket(int flags) { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0); }

int with_address(int (*call)(int, const sockaddr*, socklen_t), int descriptor, const sockaddr_un& address) {
  return call(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

// Why the file that is in the way has to stay; nothing when it is a socket that no process listens on.
// lstat, so that a symbolic link counts as itself: we neither follow nor replace one.
std::optional<Error> reason_to_keep(const std::string& path, const sockaddr_un& address) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return failed(path, "cannot look at what is in the way", errno);
  if (!S_ISSOCK(status.st_mode))
    return Error{ErrorCode::refused, fmt::format("{} exists and is not a socket; it is left as it is", path)};
  const Descriptor probe(open_socket(SOCK_NONBLOCK));
  if (probe.get() < 0) return failed(path, "cannot open a socket", errno);
  if (with_address(::connect, probe.get(), address) == 0 || errno == EAGAIN)  // EAGAIN: its backlog is full
    return Error{ErrorCode::refused, fmt::format("{} is in use by another process", path)};
  if (errno != ECONNREFUSED) return failed(path, "cannot tell whether it is in use", errno);
  return std::nullopt;
}

// A dead daemon's socket file is replaced once; whoever is faster than us then is alive.
Result<void> bind_to(const std::string& path, int descriptor, const sockaddr_un& address) {
  // On Linux the file takes its mode from the socket: it is never open to others, and no umask of other
  // threads is touched.
  if (::fchmod(descriptor, S_IRUSR | S_IWUSR) != 0) return failed(path, "cannot set the mode", errno);
  if (with_address(::bind, descriptor, address) == 0) return {};
  if (errno != EADDRINUSE) return failed(path, "cannot make the socket", errno);
  if (auto reason = reason_to_keep(path, address)) return *std::move(reason);
  if (::unlink(path.c_str()) != 0) return failed(path, "cannot replace the old socket", errno);
  if (with_address(::bind, descriptor, address) != 0) return failed(path, "cannot make the socket", errno);
  return {};
}

}  // namespace

UnixListener::UnixListener(std::string path, int descriptor)
    : path_(std::move(path)), descriptor_(descriptor) {
  struct stat status {};
  if (::lstat(path_.c_str(), &status) != 0) return;
  device_ = status.st_dev;
  inode_ = status.st_ino;
}

UnixListener::UnixListener(UnixListener&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(other.release()),
      device_(other.device_),
      inode_(other.inode_) {}

UnixListener::~UnixListener() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<UnixListener> UnixListener::open(const std::string& path) {
  const auto address = socket_address(path);
  if (!address) return address.error();
  Descriptor descriptor(open_socket(0));
  if (descriptor.get() < 0) return failed(path, "cannot open a socket", errno);
  if (auto bound = bind_to(path, descriptor.get(), *address); !bound) return bound.error();
  if (::listen(descriptor.get(), backlog) != 0) return failed(path, "cannot listen", errno);
  return UnixListener(path, descriptor.release());
}

int UnixListener::release() { return std::exchange(descriptor_, -1); }

void UnixListener::remove_file() {
  struct stat status {};
  if (inode_ == 0 || ::lstat(path_.c_str(), &status) != 0) return;
  if (!S_ISSOCK(status.st_mode) || status.st_dev != device_ || status.st_ino != inode_) return;
  ::unlink(path_.c_str());
}

}  // namespace sluice::admin

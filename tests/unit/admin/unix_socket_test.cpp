#include "admin/unix_socket.hpp"

#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "support.hpp"

namespace sluice::admin {
namespace {

namespace fs = std::filesystem;

// What a daemon leaves that was killed: the file is there, and nobody listens.
void leave_dead_socket(const std::string& path) { REQUIRE(UnixListener::open(path).has_value()); }

TEST_CASE("a new socket is open to its owner only") {
  const Folder folder;
  const auto path = folder / "s";
  const auto umask_before = ::umask(0);
  const auto listener = UnixListener::open(path);
  ::umask(umask_before);
  REQUIRE(listener.has_value());
  struct stat status {};
  REQUIRE(::lstat(path.c_str(), &status) == 0);
  CHECK(S_ISSOCK(status.st_mode));
  CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("a dead daemon's socket is replaced") {
  const Folder folder;
  leave_dead_socket(folder / "s");
  REQUIRE(fs::exists(folder / "s"));
  CHECK(UnixListener::open(folder / "s").has_value());
}

TEST_CASE("a socket in use is left alone") {
  const Folder folder;
  const auto first = UnixListener::open(folder / "s");
  const auto second = UnixListener::open(folder / "s");
  REQUIRE(second.has_error());
  CHECK(second.error().code == ErrorCode::refused);
  CHECK(second.error().message == (folder / "s") + " is in use by another process");
  CHECK(fs::exists(folder / "s"));
}

TEST_CASE("what is not a socket is left alone") {
  const Folder folder;
  SUBCASE("a file") { std::ofstream(folder / "s") << "precious"; }
  SUBCASE("a folder") { fs::create_directory(folder / "s"); }
  SUBCASE("a link to a dead socket") {
    leave_dead_socket(folder / "t");
    fs::create_symlink(folder / "t", folder / "s");
  }
  SUBCASE("a link to nothing") { fs::create_symlink(folder / "t", folder / "s"); }
  const auto before = fs::symlink_status(folder / "s").type();
  const auto listener = UnixListener::open(folder / "s");
  REQUIRE(listener.has_error());
  CHECK(listener.error().message == (folder / "s") + " exists and is not a socket; it is left as it is");
  CHECK(fs::symlink_status(folder / "s").type() == before);
}

TEST_CASE("paths that cannot be") {
  const Folder folder;
  CHECK(UnixListener::open("").error().code == ErrorCode::invalid);
  CHECK(UnixListener::open(std::string(200, 'x')).error().code == ErrorCode::invalid);
  CHECK(UnixListener::open(folder / "missing/s").error().code == ErrorCode::unavailable);
}

TEST_CASE("only our own file is removed") {
  const Folder folder;
  auto listener = UnixListener::open(folder / "s");
  REQUIRE(listener.has_value());
  SUBCASE("ours") {
    listener->remove_file();
    CHECK_FALSE(fs::exists(folder / "s"));
    listener->remove_file();  // again, harmless
  }
  SUBCASE("another daemon's, at the same path") {
    fs::rename(folder / "s", folder / "moved");  // keeps the inode taken, so that the new file cannot get it
    leave_dead_socket(folder / "s");
    listener->remove_file();
    CHECK(fs::exists(folder / "s"));
  }
  SUBCASE("a file that took its place") {
    fs::rename(folder / "s", folder / "moved");
    std::ofstream(folder / "s") << "precious";
    listener->remove_file();
    CHECK(fs::exists(folder / "s"));
  }
}

}  // namespace
}  // namespace sluice::admin

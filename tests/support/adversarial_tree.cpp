// What is in the adversarial tree: one function for each kind of trouble. The names of the folders
// are relied upon by tests (tests/fs/tree_compare_test.cpp): "sizes/4096", "links/set-40-0", ...
#include "support/adversarial_tree.h"

#include <linux/fs.h>
#include <linux/posix_acl.h>
#include <sys/sysmacros.h>

#include <string_view>

#include "support/tree_maker.h"

namespace dunlin::testing {
namespace {

using std::string_literals::operator""s;

constexpr std::size_t kKib = 1024;
constexpr std::size_t kMib = 1024 * kKib;

const std::vector<std::string>& odd_names() {
  static const std::vector<std::string> names = {
      // terminals and lists of lines
      "new\nline", "\n", "tab\there", "return\r", "bell\a", "\x1b[31mred\x1b[0m",
      "\x1b]0;title\x07", "\x01\x02\x1f\x7f", "c1-\xc2\x9b", "-> arrow", "a -> b",
      // not UTF-8: a lone byte, cut short, overlong, a surrogate, beyond the last
      "\xff\xfe", "cut-\xc3", "overlong-\xc0\xaf", "surrogate-\xed\xa0\x80",
      "beyond-\xf4\x90\x80\x80", "latin-\xe9",
      // equal to some
      "caf\xc3\xa9", "cafe\xcc\x81", "Case", "case", "CASE", "Ma\xc3\x9f", "Mass", "\xe2\x84\xab",
      "\xc3\x85", "zero\xe2\x80\x8bwidth", "zerowidth", "\xef\xbb\xbfx-bom",
      "rtl-\xe2\x80\xaetxt.exe",
      // options and blanks
      "-rf", "--delete", "-", " ", "  ", " leading", "trailing ", "trailing.", "trailing..", "...",
      "..x", ".x", "trailing\t",
      // shells, globs, filters, formats
      "$(touch x)", "`id`", "a;b", "a&b", "a|b", "a>b", "*", "?", "[a-z]", "{a,b}", "~", "~root",
      "!x", "#hash", "it's", "say \"x\"", "back\\slash", "\\", "a\\nb", "%s%n", "%2F", "%00", "+ x",
      "- x", "C:", "host:path", "NUL", "con.txt",
      // of programs that copy
      ".dunlin-x", ".dunlin-00000001-1-1", ".dunlin-undo-00000001", ".foo.AbCdEf", "foo.tmp",
      "foo~", ".nfs00000001", ".fuse_hidden01", "lost+found", "CVS", ".rsync-filter"};
  return names;
}

void make_names(TreeMaker& tree) {
  Folder& names = tree.folder(tree.root(), "names");
  for (const std::string& name : odd_names()) tree.file(names, name, name);
  tree.file(names, std::string(255, 'n'), "longest");
  std::string wide = "x";
  while (wide.size() < 255) wide += "\xc3\xa9";
  tree.file(names, wide, "longest in characters");
  Folder& folders = tree.folder(tree.root(), "folder\n\xff \x1b[7m");
  for (const std::string& name :
       {".~tmp~"s, ".dunlin-y"s, "new\nline"s, "\xff"s, "-rf"s, std::string(255, 'd'), " "s}) {
    Folder& folder = tree.folder(folders, name);
    tree.file(folder, name, "in " + name);
    tree.symlink(folders, std::string(name, 0, 250) + "-link", name);
  }
}

void make_sizes(TreeMaker& tree) {
  Folder& sizes = tree.folder(tree.root(), "sizes");
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, 4 * kKib, 64 * kKib, kMib}) {
    tree.file(sizes, std::to_string(size), tree.bytes(size));
    if (size < 2) continue;
    tree.file(sizes, std::to_string(size - 1), tree.bytes(size - 1));
    tree.file(sizes, std::to_string(size + 1), tree.bytes(size + 1));
  }
  const std::size_t several = 3 * kMib + tree.random(kMib);
  tree.file(sizes, "several-mib", tree.bytes(several));
}

std::vector<Extent> every_other(std::size_t size, std::size_t count) {
  std::vector<Extent> data(count, Extent{0, size});
  for (std::size_t n = 0; n < count; ++n) data[n].offset = static_cast<off_t>(2 * n * size);
  return data;
}

void make_sparse(TreeMaker& tree) {
  Folder& sparse = tree.folder(tree.root(), "sparse");
  tree.sparse(sparse, "one-hole", 8 * kMib, {});
  tree.sparse(sparse, "start", 300 * kKib, {{256 * kKib, 44 * kKib}});
  tree.sparse(sparse, "middle", 400 * kKib, {{0, 10'000}, {300 * kKib, 100 * kKib}});
  tree.sparse(sparse, "end", 5 * kMib, {{0, 5'000}});
  tree.sparse(sparse, "end-unaligned", 777'777, {{1, 1}});
  tree.sparse(sparse, "last-byte", 2 * kMib, {{2 * kMib - 1, 1}});
  tree.sparse(sparse, "every-4-kib", kMib, every_other(4 * kKib, 128));
  tree.sparse(sparse, "every-64-kib", 2 * kMib, every_other(64 * kKib, 16));
  tree.sparse(sparse, "zeros", 512 * kKib, {{0, 512 * kKib}}, true);
  tree.sparse(sparse, "zeros-and-hole", kMib, {{0, 256 * kKib}}, true);
  tree.reserved(sparse, "reserved-inside", 5'000, 512 * kKib, false);
  tree.reserved(sparse, "reserved-beyond", 5'000, 512 * kKib, true);
}

void make_links(TreeMaker& tree) {
  Folder& links = tree.folder(tree.root(), "links");
  Folder* const places[] = {&links, &tree.folder(links, "a"), &tree.folder(links, "b"),
                            &tree.folder(tree.root(), "zz-links")};
  const auto spread = [&](const std::string& name, std::size_t members) {
    for (std::size_t n = 1; n < members; ++n) {
      tree.link(links, name + "-0", *places[n % 4], name + "-" + std::to_string(n));
    }
  };
  for (const std::size_t members : {2U, 3U, 7U, 40U}) {
    const std::string name = "set-" + std::to_string(members);
    tree.file(links, name + "-0", tree.bytes(tree.random(9'000)));
    spread(name, members);
  }
  tree.file(links, "empty-0", "");
  spread("empty", 3);
  tree.sparse(links, "sparse-0", kMib, {{512 * kKib, 1000}});
  spread("sparse", 2);
  tree.file(links, "setuid-0", "#!/bin/false\n", 04755);
  spread("setuid", 2);
  tree.symlink(links, "symlink-0", "set-2-0");
  spread("symlink", 3);
  tree.node(links, "fifo-0", tree.look(S_IFIFO | 0640));
  spread("fifo", 2);
  tree.node(links, "socket-0", tree.look(S_IFSOCK | 0600));
  spread("socket", 2);
  // Alike in all, yet two files: whoever tells links by content or by look merges them.
  const Look alike = tree.look();
  tree.file(links, "alike-1", "alike", alike);
  tree.file(links, "alike-2", "alike", alike);
  if (!tree.as_root()) return;
  tree.node(links, "device-0", tree.look(S_IFCHR | 0600), makedev(1, 3));
  spread("device", 2);
}

std::string capability_bytes() {
  const std::uint32_t words[] = {0x02000001, 1U << 10U, 0, 0,
                                 0};  // v2, effective: net_bind_service
  std::string bytes;
  for (const std::uint32_t word : words) {
    for (const unsigned shift : {0U, 8U, 16U, 24U}) {
      bytes += static_cast<char>(word >> shift & 0xFFU);
    }
  }
  return bytes;
}

void make_xattrs(TreeMaker& tree) {
  Folder& xattrs = tree.folder(tree.root(), "xattrs");
  tree.root().xattrs = {{"user.root", "of the root"}};
  xattrs.xattrs = {{"user.binary", "\x00\xff\n\x00"s}, {"user.empty", ""}};
  tree.folder(xattrs, "big-directory").xattrs = {{"user.big", tree.bytes(3000)}};
  const auto with = [&](const std::string& name, const Xattrs& all) {
    tree.file(xattrs, name, name);
    for (const auto& [key, value] : all) tree.xattr(xattrs, name, key, value);
  };
  with("several", {{"user.binary", tree.bytes(64)}, {"user.empty", ""}, {"user.text", "caf\xe9"}});
  with("big", {{"user.big", tree.bytes(3000)}});
  with("odd-keys",
       {{"user.\xff\n", "1"}, {"user." + std::string(250, 'k'), "2"}, {"user.a.b", ""}});
  with("of-programs", {{"user.dunlin", "x"}, {"user.rsync", "x"}});
  Xattrs many;
  for (int n = 0; n < 40; ++n) many.emplace_back("user.n" + std::to_string(n), tree.bytes(20));
  with("many", many);
  if (!tree.as_root()) return;
  with("capability", {{"security.capability", capability_bytes()}});
  with("trusted", {{"trusted.binary", tree.bytes(32)}, {"trusted.empty", ""}, {"user.too", "x"}});
  tree.folder(xattrs, "trusted-directory").xattrs = {{"trusted.overlay.opaque", "y"}};
  tree.symlink(xattrs, "trusted-symlink", "nowhere");
  tree.xattr(xattrs, "trusted-symlink", "trusted.symlink", tree.bytes(16));
  tree.node(xattrs, "trusted-fifo", tree.look(S_IFIFO | 0600));
  tree.xattr(xattrs, "trusted-fifo", "trusted.fifo", "x");
}

void make_acls(TreeMaker& tree) {
  constexpr const char* kAccess = "system.posix_acl_access";
  constexpr const char* kDefault = "system.posix_acl_default";
  const std::string named = acl_bytes({{ACL_USER_OBJ, 7},
                                       {ACL_USER, 5, 12'345},
                                       {ACL_USER, 0, 4'000'000'000},
                                       {ACL_GROUP_OBJ, 5},
                                       {ACL_GROUP, 7, 54'321},
                                       {ACL_MASK, 7},
                                       {ACL_OTHER, 0}});
  // The mode shows the mask, not the group: who copies the mode alone opens the file to the group.
  const std::string masked = acl_bytes(
      {{ACL_USER_OBJ, 7}, {ACL_USER, 6, 1}, {ACL_GROUP_OBJ, 6}, {ACL_MASK, 4}, {ACL_OTHER, 4}});
  const std::string mask_only =
      acl_bytes({{ACL_USER_OBJ, 7}, {ACL_GROUP_OBJ, 0}, {ACL_MASK, 7}, {ACL_OTHER, 0}});
  const std::string minimal = acl_bytes({{ACL_USER_OBJ, 7}, {ACL_GROUP_OBJ, 5}, {ACL_OTHER, 0}});
  Folder& acls = tree.folder(tree.root(), "acls");
  for (const auto& [name, acl] :
       {std::pair("named"s, named), {"masked"s, masked}, {"mask-only"s, mask_only}}) {
    tree.file(acls, name, name);
    tree.xattr(acls, name, kAccess, acl);
    Folder& access = tree.folder(acls, name + "-directory");
    access.xattrs = {{kAccess, acl}};
    // What is made in it has no ACL, though the directory gives one to all that is made later.
    Folder& inherits = tree.folder(acls, name + "-default");
    inherits.xattrs = {{kDefault, acl}};
    tree.file(inherits, "without", "x");
    tree.folder(inherits, "without-directory");
  }
  tree.folder(acls, "both").xattrs = {{kAccess, masked}, {kDefault, named}, {"user.too", "x"}};
  tree.folder(acls, "minimal-default").xattrs = {{kDefault, minimal}};
}

void make_modes(TreeMaker& tree) {
  Folder& modes = tree.folder(tree.root(), "modes");
  for (const mode_t mode : {04755U, 02755U, 06711U, 02644U, 01644U, 0000U, 0200U, 0222U, 0111U,
                            0444U, 0777U, 07777U, 04000U}) {
    std::string name;
    for (const unsigned shift : {9U, 6U, 3U, 0U}) name += std::to_string(mode >> shift & 7U);
    tree.file(modes, name, name, mode);
  }
  tree.folder(modes, "empty");
  tree.folder(tree.folder(modes, "empty-in-empty"), "empty");
  const auto filled = [&](const std::string& name, mode_t mode) {
    Folder& folder = tree.folder(modes, name, mode);
    tree.file(folder, "content", name);
    tree.file(tree.folder(folder, "below"), "content", name);
  };
  filled("read-only", 0555);
  filled("setgid", 02775);
  filled("sticky", 01777);
  if (!tree.as_root()) return;
  filled("closed", 0000);
  filled("no-write", 0500);
  filled("no-list", 0300);
}

void make_times(TreeMaker& tree) {
  Folder& times = tree.folder(tree.root(), "times");
  int n = 0;
  for (const timespec& time : adversarial_times()) {
    const auto with = [&](mode_t mode) {
      Look look = tree.look(mode);
      look.mtime = time;
      return look;
    };
    const std::string number = std::to_string(n);
    tree.file(times, "file-" + number, number, with(0644));
    if (n % 4 == 0) tree.symlink(times, "symlink-" + number, number, with(0));
    if (n % 4 == 1) tree.node(times, "fifo-" + number, with(S_IFIFO | 0600));
    if (n % 4 == 2) tree.folder(times, "directory-" + number).look = with(0755);
    if (n % 4 == 3 && tree.as_root()) {
      tree.node(times, "device-" + number, with(S_IFCHR | 0600), makedev(1, 5));
    }
    ++n;
  }
}

void make_symlinks(TreeMaker& tree) {
  Folder& symlinks = tree.folder(tree.root(), "symlinks");
  std::string longest;
  while (longest.size() + 4 < 4095) longest += "abc/";
  longest.resize(4095, 'x');
  const std::pair<std::string, std::string> all[] = {
      {"dangling", "no/such/file"},
      {"absolute", "/etc/passwd"},
      {"absolute-dangling", "/no/such/file"},
      {"escaping", "../../../../../../../../../../etc/passwd"},
      {"to-itself", "to-itself"},
      {"loop-1", "loop-2"},
      {"loop-2", "loop-1"},
      {"4095", longest},
      {"59", std::string(59, 'f')},  // kept in the inode by ext4
      {"60", std::string(60, 's')},  // kept in a block
      {"one", "x"},
      {"invalid", "\xff\xfe/\xc3"},
      {"lines", "a\nb\n"},
      {"blanks", " a "},
      {"terminal", "\x1b[2J"},
      {"here", "."},
      {"above", ".."},
      {"up-and-down", "../symlinks/directory"},
      {"slash", "directory/"},
      {"slashes", "directory//.//content"},
      {"device", "/dev/zero"},
      {"fifo", "../specials/fifo"},
      {"proc", "/proc/self/cwd"},
      {"to-directory", "directory"},
      {"to-closed", "../modes/0000"},
  };
  for (const auto& [name, target] : all) tree.symlink(symlinks, name, target);
  tree.file(tree.folder(symlinks, "directory"), "content", "reached by many ways");
}

void make_specials(TreeMaker& tree) {
  Folder& specials = tree.folder(tree.root(), "specials");
  tree.node(specials, "fifo", tree.look(S_IFIFO | 0644));
  tree.node(specials, "fifo-closed", tree.look(S_IFIFO | 0000));
  tree.node(specials, "socket", tree.look(S_IFSOCK | 0755));
  tree.node(specials, "socket-sticky", tree.look(S_IFSOCK | 01700));
  if (!tree.as_root()) return;
  tree.node(specials, "null", tree.look(S_IFCHR | 0666), makedev(1, 3));
  tree.node(specials, "whiteout", tree.look(S_IFCHR | 0000), makedev(0, 0));
  tree.node(specials, "setuid-device", tree.look(S_IFCHR | 06600), makedev(5, 1));
  tree.node(specials, "loop", tree.look(S_IFBLK | 0640), makedev(7, 0));
  tree.node(specials, "large-numbers", tree.look(S_IFBLK | 0111), makedev(4095, 1'048'575));
  // The same numbers, another type.
  tree.node(specials, "character-7-0", tree.look(S_IFCHR | 0640), makedev(7, 0));
}

void make_flags(TreeMaker& tree) {
  if (!tree.as_root()) return;
  Folder& flags = tree.folder(tree.root(), "flags");
  for (const auto& [name, flag] : {std::pair<const char*, unsigned>("nodump", FS_NODUMP_FL),
                                   {"noatime", FS_NOATIME_FL},
                                   {"both", FS_NODUMP_FL | FS_NOATIME_FL},
                                   {"append", FS_APPEND_FL},
                                   {"immutable", FS_IMMUTABLE_FL}}) {
    tree.file(flags, name, name);
    tree.flags_at_end(flags, name, flag);
  }
  tree.file(flags, "none", "none");
  // ext4 hands nodump and noatime down to what is made in such a directory: these have none.
  Folder& inherits = tree.folder(flags, "directory");
  inherits.flags = FS_NODUMP_FL | FS_NOATIME_FL;
  tree.file(inherits, "without", "x");
  tree.folder(inherits, "without-directory");
  Folder& immutable = tree.folder(flags, "immutable-directory");
  immutable.flags = FS_IMMUTABLE_FL;
  tree.file(immutable, "content", "x");
  tree.file(tree.folder(immutable, "below"), "content", "x");
}

void make_deep(TreeMaker& tree) {
  Folder* level = &tree.folder(tree.root(), "deep");
  Folder& top = *level;
  tree.file(top, "link-top", "one file, at the top and at the bottom");
  const int levels = tree.options().deep ? 24 : 12;
  for (int n = 1; n <= levels; ++n) {
    level = &tree.folder(*level, std::to_string(n) + std::string(198, 'l'));
    if (n % 4 == 0 || n > 19) tree.file(*level, "file", "level " + std::to_string(n));
  }
  tree.symlink(*level, "up", "../..");
  tree.node(*level, "fifo", tree.look(S_IFIFO | 0600));
  tree.file(*level, "xattr", "x");
  tree.xattr(*level, "xattr", "user.deep", "x");
  level->xattrs = {{"user.deepest", "x"}};
  tree.link(top, "link-top", *level, "link-bottom");
}

/// Plain folders and files, which differ by the seed in all that they have.
void make_plain(TreeMaker& tree) {
  std::vector<Folder*> folders = {&tree.folder(tree.root(), "plain")};
  for (int n = 0; n < 50 * tree.options().scale; ++n) {
    Folder& at = *folders[tree.random(folders.size())];
    const std::string number = std::to_string(n);
    const std::uint64_t choice = tree.random(10);
    if (choice < 2 && folders.size() < 100) {
      folders.push_back(&tree.folder(at, "folder-" + number, tree.random(2) == 0 ? 0755 : 0700));
    } else if (choice == 2) {
      tree.symlink(at, "symlink-" + number, "../file-" + number);
    } else {
      const std::size_t size = tree.random(tree.random(4) == 0 ? 100'000 : 5'000);
      tree.file(at, "file-" + number, tree.bytes(size), tree.random(2) == 0 ? 0644 : 0600);
      if (choice == 3) tree.xattr(at, "file-" + number, "user.plain", tree.bytes(30));
    }
  }
  if (tree.options().scale < 2) return;
  Folder& many = tree.folder(tree.root(), "many");
  for (int n = 0; n < 2000; ++n) tree.file(many, "empty-" + std::to_string(n), "");
}

}  // namespace

void make_adversarial_tree(const std::string& root, const AdversarialOptions& options) {
  TreeMaker tree(root, options);
  make_names(tree);
  make_sizes(tree);
  make_sparse(tree);
  make_links(tree);
  make_xattrs(tree);
  make_acls(tree);
  make_modes(tree);
  make_times(tree);
  make_symlinks(tree);
  make_specials(tree);
  make_flags(tree);
  make_deep(tree);
  make_plain(tree);
  tree.finish();
}

}  // namespace dunlin::testing

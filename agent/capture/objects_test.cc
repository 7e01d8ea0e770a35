// The base objects hold to what Linux 5.10 understands: its instructions and its helpers.
#include <elf.h>
#include <fcntl.h>
#include <gelf.h>
#include <gtest/gtest.h>
#include <libelf.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <cstring>
#include <set>
#include <string>

namespace sonde::capture {
namespace {

// The last helper of Linux 5.10 is bpf_redirect_peer (155); sk_storage and task storage came later.
constexpr int kLastHelper = 155;
// What the programs are meant to use; a new one has to be looked up in 5.10's list first.
const std::set<int> kHelpers = {
    BPF_FUNC_map_lookup_elem,     BPF_FUNC_map_update_elem,      BPF_FUNC_map_delete_elem,
    BPF_FUNC_ktime_get_ns,        BPF_FUNC_get_current_pid_tgid, BPF_FUNC_get_current_comm,
    BPF_FUNC_get_current_task,    BPF_FUNC_probe_read_user,      BPF_FUNC_probe_read_kernel,
    BPF_FUNC_probe_read_user_str, BPF_FUNC_ringbuf_reserve,      BPF_FUNC_ringbuf_submit,
    BPF_FUNC_ringbuf_discard,     BPF_FUNC_ringbuf_query,
};

class ObjectTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ObjectTest, HoldsToLinux510) {
  const std::string path = std::string(SONDE_BINARY_DIR) + "/bpf/" + GetParam() + ".bpf.o";
  elf_version(EV_CURRENT);
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0) << path;
  Elf* elf = elf_begin(fd, ELF_C_READ, nullptr);
  ASSERT_NE(elf, nullptr);
  size_t programs = 0;
  size_t instructions = 0;
  std::set<int> used;
  Elf_Scn* section = nullptr;
  while ((section = elf_nextscn(elf, section)) != nullptr) {
    GElf_Shdr header;
    ASSERT_NE(gelf_getshdr(section, &header), nullptr);
    if ((header.sh_flags & SHF_EXECINSTR) == 0 || header.sh_size == 0) continue;
    ++programs;
    const Elf_Data* data = elf_getdata(section, nullptr);
    ASSERT_NE(data, nullptr);
    for (size_t at = 0; at + sizeof(bpf_insn) <= data->d_size; at += sizeof(bpf_insn)) {
      bpf_insn one;
      std::memcpy(&one, static_cast<const char*>(data->d_buf) + at, sizeof(one));
      ++instructions;
      const int kind = BPF_CLASS(one.code);
      if (kind == BPF_STX && BPF_MODE(one.code) == BPF_ATOMIC) {
        // Only an add without a result: BPF_FETCH, exchange and the rest came with 5.12.
        EXPECT_EQ(one.imm, BPF_ADD) << "atomic operation at instruction " << at / 8;
      }
      if (one.code == (BPF_JMP | BPF_CALL)) {
        ASSERT_LE(one.src_reg, BPF_PSEUDO_CALL) << "a kernel function: 5.13 and later";
        if (one.src_reg == 0) used.insert(one.imm);
      }
      // Sign-extending loads and moves, unconditional byte swaps, long jumps: 6.6.
      EXPECT_FALSE((kind == BPF_LDX && BPF_MODE(one.code) == 0x80) ||
                   (kind == BPF_ALU64 && BPF_OP(one.code) == BPF_END) ||
                   one.code == (BPF_JMP32 | BPF_JA))
          << "instruction " << at / 8;
      if (one.code == (BPF_LD | BPF_IMM | BPF_DW)) at += sizeof(bpf_insn);
    }
  }
  elf_end(elf);
  close(fd);
  EXPECT_GT(programs, 0U);
  EXPECT_GT(instructions, 100U);
  for (const int helper : used) {
    EXPECT_LE(helper, kLastHelper);
    EXPECT_TRUE(kHelpers.contains(helper)) << "helper " << helper << " is not on the list";
  }
}

INSTANTIATE_TEST_SUITE_P(Base, ObjectTest,
                         ::testing::Values("process", "openssl", "sockets", "terminal"));

}  // namespace
}  // namespace sonde::capture

#include "mom/base/nearest.h"

#include <gtest/gtest.h>

namespace mom {
namespace {

TEST(Nearest, TheWordThatWasMeant) {
  const std::vector<std::string> words{"train", "trains", "generate", "eval", "no"};
  EXPECT_EQ(nearest("train", words), "train");
  EXPECT_EQ(nearest("trian", words), "train");
  EXPECT_EQ(nearest("genrate", words), "generate");
  EXPECT_EQ(nearest("evla", words), "eval");
  // As far as half of its letters, no further; of two as near the first.
  EXPECT_EQ(nearest("tr", words), "");
  EXPECT_EQ(nearest("traim", {"trail", "train"}), "trail");
  EXPECT_EQ(nearest("xyzw", words), "");
  EXPECT_EQ(nearest("", words), "");
  EXPECT_EQ(nearest("train", {}), "");
}

TEST(NearestInside, NamesOfWhichAPartIsNear) {
  const std::vector<std::string> names{"out_proj", "blocks.0.mixer.in_proj.weight", "blocks.0.norm.weight",
                                       "in_prj"};
  EXPECT_EQ(nearest_inside("in_proj", names, 2),
            (std::vector<std::string>{"blocks.0.mixer.in_proj.weight", "in_prj"}));
  EXPECT_EQ(nearest_inside("in_proj", names, 9).size(), names.size());
  EXPECT_TRUE(nearest_inside("in_proj", {}, 3).empty());
}

}  // namespace
}  // namespace mom

"""scripts/check-layers finds each way to break the layer rule, in a tree made up here."""

import importlib.machinery
import importlib.util
import pathlib
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parent.parent.parent / "scripts" / "check-layers"
loader = importlib.machinery.SourceFileLoader("check_layers", str(SCRIPT))
check_layers = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
loader.exec_module(check_layers)

TREE = {
    "CMakeLists.txt": """
        add_subdirectory(mom/base)
        add_subdirectory(mom/data)   # (comments (with brackets) are left out)
        add_subdirectory(mom/train)
        add_subdirectory(apps)
        if(MOM_BUILD_TESTS)
          add_subdirectory(tests)
        endif()""",
    "mom/base/CMakeLists.txt": "mom_library(base LINKS OpenSSL::Crypto)",
    "mom/base/hash.h": "#pragma once\n#include <string>\n",
    "mom/base/hash.cpp": '#include "mom/base/hash.h"\n#include <openssl/evp.h>\n',
    "mom/data/CMakeLists.txt": "mom_library(data\n    DEPENDS base\n    TORCH)",
    "mom/data/loader.h": '#include "mom/base/hash.h"\n',
    "mom/data/loader.cpp": '#include "mom/data/loader.h"\n#include <ATen/core/Tensor.h>\n',
    "mom/train/CMakeLists.txt": "mom_library(train DEPENDS data)",
    "mom/train/run.cpp": '#include "mom/data/loader.h"\n',
    "apps/CMakeLists.txt": "add_subdirectory(mom)",
    "apps/mom/CMakeLists.txt": "add_executable(mom main.cpp)\ntarget_link_libraries(mom PRIVATE mom_train ${MOM_JEMALLOC})",
    "apps/mom/main.cpp": '#include "mom/train/run.h"\n',
}


class CheckLayers(unittest.TestCase):
    def problems(self, **changed):
        """What is wrong with the tree when some files are changed; their names have __ for / and _dot_ for a dot."""
        tree = {**TREE, **{name.replace("__", "/").replace("_dot_", "."): text for name, text in changed.items()}}
        with tempfile.TemporaryDirectory() as folder:
            for name, text in tree.items():
                path = pathlib.Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return list(check_layers.problems(pathlib.Path(folder)))

    def fails(self, message, **changed):
        self.assertEqual(self.problems(**changed), [message])

    def test_a_sound_tree(self):
        self.assertEqual(self.problems(), [])

    def test_programs_share_a_library(self):
        self.assertEqual(self.problems(
            apps__CMakeLists_dot_txt="add_library(mom_program OBJECT program.cpp)\ntarget_link_libraries(mom_program PUBLIC mom_base)\n"
                                     "add_subdirectory(mom)",
            apps__program_dot_cpp='#include "mom/base/hash.h"\n',
            apps__mom__CMakeLists_dot_txt="mom_program(mom DEPENDS train)",
            apps__mom__main_dot_cpp='#include "apps/program.h"\n#include "mom/train/run.h"\n'), [])

    def test_an_include_that_is_not_listed(self):
        self.fails("mom/train/run.cpp:2: includes mom/base/hash.h, but mom/train/CMakeLists.txt does not list mom/base",
                   mom__train__run_dot_cpp='#include "mom/data/loader.h"\n#include "mom/base/hash.h"\n')

    def test_an_outside_header_that_is_not_listed(self):
        self.fails("mom/train/run.cpp:1: includes torch/torch.h, but mom/train/CMakeLists.txt does not list mom_torch",
                   mom__train__run_dot_cpp='#include <torch/torch.h>\n#include "mom/data/loader.h"\n')

    def test_torch_through_a_header_of_ours(self):
        self.fails("mom/train/run.cpp:1 -> mom/data/loader.h: includes ATen/core/Tensor.h, but mom/train/CMakeLists.txt "
                   "does not list mom_torch", mom__data__loader_dot_h='#include "mom/base/hash.h"\n#include <ATen/core/Tensor.h>\n')

    def test_a_file_of_another_folder_that_is_compiled(self):
        """Then its headers may be included, too; those of further folders not."""
        link = "add_library(mom_train MODULE run.cpp ${CMAKE_SOURCE_DIR}/mom/data/loader.cpp)"
        self.assertEqual(self.problems(mom__train__CMakeLists_dot_txt=link), [])
        self.fails("mom/train/run.cpp:2: includes mom/base/hash.h, but mom/train/CMakeLists.txt does not list mom/base",
                   mom__train__CMakeLists_dot_txt=link, mom__train__run_dot_cpp='#include "mom/data/loader.h"\n#include "mom/base/hash.h"\n')

    def test_a_listed_folder_that_nothing_includes(self):
        self.fails("mom/train/CMakeLists.txt: lists base, but no file includes mom/base",
                   mom__train__CMakeLists_dot_txt="mom_library(train DEPENDS base data)")

    def test_a_listed_library_that_nothing_includes(self):
        self.fails("mom/base/CMakeLists.txt: lists PNG::PNG, but no file includes a header of it",
                   mom__base__CMakeLists_dot_txt="mom_library(base LINKS OpenSSL::Crypto PNG::PNG)")
        self.fails("mom/train/CMakeLists.txt: lists mom_torch, but no file includes a header of it",
                   mom__train__CMakeLists_dot_txt="mom_library(train DEPENDS data TORCH)")

    def test_an_include_that_goes_down_the_order(self):
        self.fails("mom/base/hash.cpp:3: includes mom/data/loader.h, but mom/data comes after mom/base in the order",
                   mom__base__hash_dot_cpp=TREE["mom/base/hash.cpp"] + '#include "mom/data/loader.h"\n')

    def test_a_list_that_goes_down_the_order(self):
        problems = self.problems(mom__base__CMakeLists_dot_txt="mom_library(base DEPENDS train LINKS OpenSSL::Crypto)")
        self.assertIn("mom/base/CMakeLists.txt: lists train, which comes after mom/base in the order", problems)

    def test_a_folder_that_the_order_does_not_name(self):
        self.fails("mom/extra: no CMakeLists.txt adds it", mom__extra__one_dot_cpp="")
        self.fails("mom/train/CMakeLists.txt: lists serve, which is no folder of the order",
                   mom__train__CMakeLists_dot_txt="mom_library(train DEPENDS data serve)")

    def test_a_header_that_one_folder_alone_includes(self):
        self.fails("mom/data/loader.cpp:3: includes torch/csrc/distributed/c10d/Store.hpp, which only mom/dist may",
                   mom__data__loader_dot_cpp=TREE["mom/data/loader.cpp"] + "#include <torch/csrc/distributed/c10d/Store.hpp>\n")

    def test_a_library_of_unknown_headers(self):
        self.fails("mom/train/CMakeLists.txt: lists Zip::Zip: scripts/check-layers does not know which headers are its",
                   mom__train__CMakeLists_dot_txt="mom_library(train DEPENDS data LINKS Zip::Zip)")


if __name__ == "__main__":
    unittest.main()

fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libkrun.so.1");
}

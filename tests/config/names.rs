//! Names and networks of other parts of the file.

use super::read;

#[test]
fn what_an_endpoint_depends_on_has_to_be_there_and_not_to_depend_on_it() {
    let endpoint =
        |name: &str, keys: &str| format!("[[checks.endpoints]]\nname = \"{name}\"\nurl = \"http://{name}/\"\n{keys}\n");
    let report = |text: String| read(&text).unwrap_err().to_string();
    let said = report([endpoint("web", "depends_on = [\"bd\"]"), endpoint("db", "")].concat());
    assert!(said.contains("there is no service named `bd`") && said.contains("did you mean `db`?"), "{said}");
    let said = report(endpoint("web", "group = \"shop\"\ndepends_on_groups = \"shops\""));
    assert!(said.contains("there is no group named `shops`"), "{said}");
    let said = report(endpoint("web", "depends_on = \"web\""));
    assert!(said.contains("`web` cannot depend on itself"), "{said}");
    let said = report(endpoint("web", "group = \"shop\"\ndepends_on_groups = \"shop\""));
    assert!(said.contains("`web` cannot depend on itself") && said.contains("it is in this group"), "{said}");
    let chain = [endpoint("a", "depends_on = \"b\""), endpoint("b", "depends_on = \"c\"")].concat();
    let said = report([chain.clone(), endpoint("c", "depends_on = \"a\"")].concat());
    assert!(said.contains("services depend on each other in a loop") && said.contains("a → b → c → a"), "{said}");
    assert!(read(&[chain, endpoint("c", "")].concat()).is_ok());
}

#[test]
fn a_network_that_is_none_is_shown() {
    let said = read("[checks]\ndeny_networks = [\"10.0.0.0/33\"]\nallow_networks = \"net\"").unwrap_err().to_string();
    for text in ["`10.0.0.0/33` is no address and no network", "`net` is no address and no network"] {
        assert!(said.contains(text), "{said}");
    }
}

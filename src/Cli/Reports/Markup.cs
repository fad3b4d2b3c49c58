using System.Text;
using System.Xml;
using System.Xml.Linq;

namespace Orchestrator.Cli.Reports;

/// <summary>Elements of a page. Built as XML, so text is escaped and the page is well formed by construction.</summary>
internal static class Markup
{
    public static XElement Element(string name, string? cssClass, params object?[] content)
    {
        var element = new XElement(name, cssClass is null ? null : new XAttribute("class", cssClass), content.Select(Clean));
        // HTML knows no self-closing div or td: an empty text keeps the end tag.
        if (element.IsEmpty)
            element.Add("");
        return element;
    }

    public static XElement Section(string title, params object?[] content) =>
        Element("section", null, [Element("h2", null, title), .. content]);

    public static XElement Table(string cssClass, IEnumerable<XElement> heads, IEnumerable<XElement> rows) =>
        Element("div", "scroll", Element("table", cssClass, Element("thead", null, Element("tr", null, [.. heads])), Element("tbody", null, [.. rows])));

    public static string ToHtml(XElement page)
    {
        var text = new StringBuilder("<!DOCTYPE html>\n");
        using (var writer = XmlWriter.Create(text, new XmlWriterSettings { OmitXmlDeclaration = true, Indent = true, IndentChars = " ", NewLineChars = "\n" }))
            page.Save(writer);
        return text.Append('\n').ToString();
    }

    /// <summary>Names come from model files: what XML cannot hold at all is replaced.</summary>
    private static object? Clean(object? content) => content switch
    {
        string text => CleanText(text),
        IEnumerable<XElement> elements => elements,
        _ => content,
    };

    public static string CleanText(string text)
    {
        if (text.All(XmlConvert.IsXmlChar))
            return text;
        var clean = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]))
                clean.Append(text[i]).Append(text[++i]);
            else
                clean.Append(XmlConvert.IsXmlChar(text[i]) ? text[i] : '\uFFFD');
        }

        return clean.ToString();
    }
}
